package wheel

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/keep-it-simple/kis/internal/sdist"
)

// relocatable returns the data of a member as it is, if replacePath can relocate it.
func (s *Source) relocatable(data []byte) ([]byte, error) {
	if !needsNoEscape(s.Dir) {
		return nil, fmt.Errorf("%w: the temporary directory %s has a name that an editable wheel cannot be relocated from", ErrNotPure, sdist.Quoted(s.Dir))
	}
	if !bytes.Contains(data, []byte(s.Temporary)) {
		return data, nil
	}
	if !utf8.Valid(data) || bytes.IndexByte(data, 0) >= 0 {
		return nil, fmt.Errorf("%w: it is editable, and a file that is not text contains the path of the source", ErrNotPure)
	}
	for _, made := range s.Made {
		if path := s.Dir + "/" + made; !bytes.Equal(replacePath(data, path, ""), data) {
			return nil, fmt.Errorf("%w: it is editable, and refers to %s, which the build has made", ErrNotPure, sdist.Quoted(made))
		}
	}
	if bytes.Contains(replacePath(data, s.Dir, ""), []byte(s.Temporary)) {
		return nil, fmt.Errorf("%w: it is editable, and refers to a temporary file of the build", ErrNotPure)
	}
	return data, nil
}

// replacePath replaces a path wherever it is a whole path, or the beginning of a longer one.
func replacePath(data []byte, from, to string) []byte {
	var out []byte
	for {
		at := bytes.Index(data, []byte(from))
		if at < 0 {
			return append(out, data...)
		}
		end := at + len(from)
		out = append(out, data[:at]...)
		if end < len(data) && continues(data[end]) {
			out = append(out, from...)
		} else {
			out = append(out, to...)
		}
		data = data[end:]
	}
}

// continues reports whether a byte after a path is part of its last name.
func continues(c byte) bool {
	return c >= utf8.RuneSelf || c != '/' && needsNoEscape(string(c)) || strings.IndexByte("%$&,=#", c) >= 0
}
