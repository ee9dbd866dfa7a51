package safetext_test

import (
	"crypto/sha256"
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/oracle"
	"github.com/keep-it-simple/kis/internal/safetext"
)

func TestWhatIsShownInstead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "",
		"web1: ok — naïve Ελληνικά 日本 עברית ✓": "web1: ok — naïve Ελληνικά 日本 עברית ✓",
		"a\nnext: kis link production evil-1":  `a\nnext: kis link production evil-1`,
		"a\tb\rc":                              `a\tb\rc`,
		"\x1b[31m\x1b]52;c;ZXZpbA==\a":         `\x1b[31m\x1b]52;c;ZXZpbA==\a`,
		"\b\v\f\x00\x7f":                       `\b\v\f\x00\x7f`,
		"\u009b31m\u0085":                      `\u009b31m\u0085`, // C1
		"\x9b31m\xff\xc0\xaf\xed\xa0":          `\x9b31m\xff\xc0\xaf\xed\xa0`,
		"\xe2\x82":                             `\xe2\x82`, // cut in the middle of a character
		"\ufffd":                               "\ufffd",   // the character itself can be seen
		"a\u2028b\u2029c":                      `a\u2028b\u2029c`,
		"so\u00adft":                           `so\u00adft`,
		"\u200b\u200c\u200d\u2060\ufeff":       `\u200b\u200c\u200d\u2060\ufeff`,
		"\u200e\u200f\u202e\u2066\u061c":       `\u200e\u200f\u202e\u2066\u061c`, // turns the writing
		"\u180e\u180b\u034f":                   `\u180e\u180b\u034f`,
		"\u115f\u1160\u3164\uffa0":             `\u115f\u1160\u3164\uffa0`, // fillers of Hangul, which are letters
		"\u2800\u17b4\U0001d159":               `\u2800\u17b4\U0001d159`,   // blank by name
		"a\u00a0b\u3000c\u2003d":               `a\u00a0b\u3000c\u2003d`,   // blanks that are not U+0020
		"❤\ufe0f x\U000e0100":                  `❤\ufe0f x\U000e0100`,      // variation selectors
		"\U000e0041\U000e007f":                 `\U000e0041\U000e007f`,     // tags
		"\ue000\U000f0000\U0010fffd":           `\ue000\U000f0000\U0010fffd`,
		"\u0378\uffff":                         `\u0378\uffff`, // nobody's
		"e\u0301 a\u0323\u0302":                "e\u0301 a\u0323\u0302",
		"\u0301x":                              `\u0301x`,  // would stand on what is before the text
		"x \u0301":                             `x \u0301`, // and on a blank
		"a\u0301\u0301\u0301\u0301\u0301":      "a\u0301\u0301\u0301" + `\u0301\u0301`,
		`C:\new \x1b`:                          `C:\new \x1b`,
	} {
		assert.Equal(t, want, safetext.Line(text), "%q", text)
	}
}

func TestTabsOfOutputAreLayout(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"\tgcc":      "        gcc",
		"a\tb":       "a       b",
		"12345678\t": "12345678        ",
		"\x1b\tb":    `\x1b    b`, // by what is shown
		"\u00e9\tb":  "\u00e9       b",
		"a\r\n\tb":   `a\r\n   b`,
	} {
		assert.Equal(t, want, safetext.Output(text), "%q", text)
	}
}

// everything is every rune that a string can hold, and every byte.
func everything(yield func(string) bool) {
	for r := range rune(unicode.MaxRune + 1) {
		if utf8.ValidRune(r) && !yield(string(r)) {
			return
		}
	}
	for b := range 256 {
		if !yield(string([]byte{byte(b)})) {
			return
		}
	}
}

// TestNothingIsShownThatIsNotSeen compares with the oracle, which has a definition of its own.
func TestNothingIsShownThatIsNotSeen(t *testing.T) {
	t.Parallel()
	shown := 0
	for text := range everything {
		line := safetext.Line("a" + text) // on which a mark can stand
		if line == "a"+text {
			shown++
		}
		r, size := utf8.DecodeRuneInString(text)
		if want := oracle.Shown(r) && (size > 1 || r < utf8.RuneSelf); want != (line == "a"+text) {
			require.Fail(t, "it is not what the oracle says", "%q %U: shown %v", text, r, !want)
		}
		if what := oracle.Hidden(line); what != "" {
			require.Fail(t, what, "%q", text)
		}
	}
	assert.Greater(t, shown, 100_000, "most letters are")
}

// TestTwoCharactersTogether looks for what only a neighbor does.
func TestTwoCharactersTogether(t *testing.T) {
	t.Parallel()
	awkward := []string{"", "a", "1", " ", "\n", "\t", "\x1b", "\x9b", "\xe2", "\x82", "\xac", "\u0301", "\u20dd", "\u0903", "\u00ad", "\u3164", "\U000e0041", "\ufe0f", "❤", "字", `\`, `\u`, `"`}
	for _, a := range awkward {
		for _, b := range awkward {
			for _, c := range awkward {
				text := strings.Repeat(a, 2) + b + strings.Repeat(c, 5)
				for name, made := range map[string]string{"line": safetext.Line(text), "output": safetext.Output(text)} {
					require.Empty(t, oracle.Hidden(made), "%s of %q", name, text)
					require.NotContains(t, made, "\n", "%s of %q", name, text)
					require.Equal(t, made, safetext.Line(made), "%s of %q: safe text stays as it is", name, text)
				}
			}
		}
	}
}

func TestJSONStaysWhatItIs(t *testing.T) {
	t.Parallel()
	var all strings.Builder
	for text := range everything {
		if utf8.ValidString(text) {
			all.WriteString(text)
		}
	}
	for _, text := range []string{all.String(), "\u0301", "a" + strings.Repeat("\u0301", 9), "\U000e0041\u00ad\u3164"} {
		value := map[string]string{text: text}
		line, err := json.Marshal(value)
		require.NoError(t, err)
		safe := safetext.JSON(line)
		require.Empty(t, oracle.Hidden(string(safe)))
		require.NotContains(t, string(safe), "\n")
		var read map[string]string
		require.NoError(t, json.Unmarshal(safe, &read))
		require.Len(t, read, 1)
		require.Contains(t, read, text, "the key has changed")
		require.Equal(t, sha256.Sum256([]byte(text)), sha256.Sum256([]byte(read[text])), "the value has changed") // it is long
	}
}

func FuzzLine(f *testing.F) {
	f.Add("web1\n\x1b[31m\u202e\xff\u0301")
	f.Fuzz(func(t *testing.T, text string) {
		line := safetext.Line(text)
		require.Empty(t, oracle.Hidden(line))
		require.NotContains(t, line, "\n")
		require.Equal(t, line, safetext.Line(line))
	})
}
