package requirements

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// declared finds the encoding that a comment names (PEP 263).
var declared = regexp.MustCompile(`coding[:=][ \t\n\r\f\v]*([-\w.]+)`)

// decode returns the text of a requirements file: in the encoding of its byte order mark, that of a
// comment in the first two lines, or UTF-8. line is that of an error, 0 if it has none.
func decode(data []byte) (text string, line int, err error) {
	marks := []struct {
		mark   string
		decode func([]byte) (string, error)
	}{
		{"\xef\xbb\xbf", decodeUTF8},
		{"\xff\xfe\x00\x00", func(b []byte) (string, error) { return decodeUTF32(b, binary.LittleEndian) }},
		{"\x00\x00\xfe\xff", func(b []byte) (string, error) { return decodeUTF32(b, binary.BigEndian) }},
		{"\xff\xfe", func(b []byte) (string, error) { return decodeUTF16(b, binary.LittleEndian) }},
		{"\xfe\xff", func(b []byte) (string, error) { return decodeUTF16(b, binary.BigEndian) }},
	}
	for _, m := range marks {
		if rest, ok := bytes.CutPrefix(data, []byte(m.mark)); ok {
			text, err = m.decode(rest)
			return text, 0, err
		}
	}
	for i, line := range bytes.SplitN(data, []byte("\n"), 3) {
		if found := declared.FindSubmatch(line); i < 2 && bytes.HasPrefix(line, []byte("#")) && found != nil {
			text, err = decodeNamed(data, string(found[1]))
			return text, i + 1, err
		}
	}
	text, err = decodeUTF8(data)
	if err != nil {
		for l := range bytes.Lines(data) {
			if line++; !utf8.Valid(l) {
				break
			}
		}
	}
	return text, line, err
}

func decodeNamed(data []byte, name string) (string, error) {
	switch strings.ReplaceAll(strings.ToLower(name), "_", "-") {
	case "utf-8", "utf8", "utf-8-sig", "ascii", "us-ascii":
		return decodeUTF8(data)
	case "latin-1", "latin1", "iso-8859-1", "iso8859-1", "l1":
		text := make([]rune, 0, len(data))
		for _, b := range data {
			text = append(text, rune(b))
		}
		return string(text), nil
	}
	return "", fmt.Errorf("is in the encoding %q, which kis does not read; save the file as UTF-8", name)
}

var errUTF8 = errors.New("is not UTF-8; save the file as UTF-8")

func decodeUTF8(data []byte) (string, error) {
	if !utf8.Valid(data) {
		return "", errUTF8
	}
	return string(data), nil
}

func decodeUTF16(data []byte, order binary.ByteOrder) (string, error) {
	units := make([]uint16, 0, len(data)/2)
	for ; len(data) >= 2; data = data[2:] {
		units = append(units, order.Uint16(data))
	}
	text := utf16.Decode(units)
	if len(data) > 0 || !slices.Equal(utf16.Encode(text), units) {
		return "", errors.New("begins as UTF-16, and is not; save the file as UTF-8")
	}
	return string(text), nil
}

func decodeUTF32(data []byte, order binary.ByteOrder) (string, error) {
	var b strings.Builder
	for ; len(data) >= 4; data = data[4:] {
		c := order.Uint32(data)
		if c > utf8.MaxRune || !utf8.ValidRune(rune(c)) {
			break
		}
		b.WriteRune(rune(c))
	}
	if len(data) > 0 {
		return "", errors.New("begins as UTF-32, and is not; save the file as UTF-8")
	}
	return b.String(), nil
}
