package remote

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxFrame bounds one line of the agent: the state of a whole repository fits, endless output does
// not.
const maxFrame = 16 << 20

// maxGreeting bounds a line before the greeting, the output of a login shell: many hosts may print
// at once.
const maxGreeting = 64 << 10

// prefix begins every line of the agent, see scripts/kisagent/wire.py.
const prefix = "KIS1 "

// errFrame is wrapped by errors about lines that claim to be the agent's but are unreadable.
var errFrame = errors.New("unreadable answer")

// frame is one line of the agent.
type frame struct {
	ID    int    `json:"id"`
	Ev    string `json:"ev"` // hello, done, refused, output or wheel
	Text  string `json:"text"`
	Wheel Wheel  `json:"wheel"`
	raw   json.RawMessage
}

// parseFrame parses one line. ok is false for lines that are not the agent's, such as text of a
// login shell.
func parseFrame(line []byte, nonce string) (f frame, ok bool, err error) {
	rest, found := bytes.CutPrefix(line, []byte(prefix+nonce+" "))
	if !found {
		return frame{}, false, nil
	}
	if err := json.Unmarshal(rest, &f); err != nil {
		return frame{}, true, fmt.Errorf("%w: %v", errFrame, err) //nolint:errorlint // the cause is text of a host, of no use to a caller
	}
	f.raw = append(json.RawMessage(nil), rest...)
	return f, true, nil
}

// Limits of an answer besides its length: a lying host must not turn 16 MiB into a hundred times as
// much memory here.
const (
	maxValues = 1 << 18
	maxDepth  = 16
)

// fits reports whether JSON has at most so many values (members of objects and elements of arrays)
// and nesting levels. It does not check the syntax.
func fits(data []byte, values, depth int) bool {
	within := false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case within && c == '\\':
			i++
		case c == '"':
			within = !within
		case within:
		case c == '{' || c == '[':
			values, depth = values-1, depth-1
		case c == '}' || c == ']':
			depth++
		case c == ',':
			values--
		}
		if values < 0 || depth < 0 {
			return false
		}
	}
	return true
}

// lineReader reads lines of bounded length. It returns the beginning of a longer line, and skips
// the rest.
type lineReader struct {
	r     *bufio.Reader
	limit int
}

func newLineReader(r io.Reader, limit int) *lineReader {
	return &lineReader{r: bufio.NewReaderSize(r, 64<<10), limit: limit}
}

// next returns the next line without its end. The slice is valid until the next call. An error
// comes with the beginning of a last line.
func (l *lineReader) next() (line []byte, whole bool, err error) {
	whole = true
	for {
		part, err := l.r.ReadSlice('\n')
		kept := min(len(part), l.limit-len(line))
		line = append(line, part[:kept]...)
		whole = whole && (kept == len(part) || kept == len(part)-1 && part[kept] == '\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		return bytes.TrimRight(line, "\r\n"), whole, err
	}
}
