package remote

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLinesAreBounded(t *testing.T) {
	t.Parallel()
	type got struct {
		line  string
		whole bool
	}
	long := strings.Repeat("y", 200_000)
	for name, test := range map[string]struct {
		text string
		want []got
	}{
		"nothing":            {"", []got{{"", true}}},
		"lines":              {"a\nb\n", []got{{"a", true}, {"b", true}, {"", true}}},
		"no end":             {"a\nb", []got{{"a", true}, {"b", true}}},
		"carriage return":    {"a\r\n", []got{{"a", true}, {"", true}}},
		"empty":              {"\n\n", []got{{"", true}, {"", true}, {"", true}}},
		"exactly":            {"12345678\nx\n", []got{{"12345678", true}, {"x", true}, {"", true}}},
		"one too many":       {"123456789\nx\n", []got{{"12345678", false}, {"x", true}, {"", true}}},
		"longer than buffer": {"12345678" + long + "\nx\n", []got{{"12345678", false}, {"x", true}, {"", true}}},
		"long without end":   {"12345678" + long, []got{{"12345678", false}}},
	} {
		lines := newLineReader(strings.NewReader(test.text), 8)
		var all []got
		for {
			line, whole, err := lines.next()
			all = append(all, got{string(line), whole})
			if err != nil {
				require.ErrorIs(t, err, io.EOF)
				break
			}
		}
		assert.Equal(t, test.want, all, name)
	}
}

func FuzzParseFrame(f *testing.F) {
	const nonce = "0123456789abcdef"
	f.Add([]byte(prefix + nonce + ` {"id":1,"ev":"done"}`))
	f.Add([]byte(prefix + nonce + ` {"id":1,"ev":"output","text":"\u001b[31m"}`))
	f.Add([]byte(prefix + "fedcba9876543210" + ` {"id":1,"ev":"done"}`))
	f.Add([]byte(prefix + nonce + " "))
	f.Fuzz(func(t *testing.T, line []byte) {
		frame, ok, err := parseFrame(line, nonce)
		if ok != strings.HasPrefix(string(line), prefix+nonce+" ") {
			t.Errorf("%q: ok is %v", line, ok)
		}
		if err != nil && (!ok || !errors.Is(err, errFrame)) {
			t.Errorf("%q: %v", line, err)
		}
		if !ok || err != nil {
			return
		}
		for _, result := range []any{nil, new(Locked), new(Facts), new(RepositoryState), new(Receipt)} {
			if err := read(frame, result); frame.Ev == "refused" && err == nil {
				t.Errorf("%q: a refusal passed for done", line)
			}
		}
	})
}
