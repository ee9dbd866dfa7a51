package safetext_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/safetext"
	"github.com/keep-it-simple/kis/internal/testenv/oracle"
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
		text = "a" + text // on which a mark can stand
		line := safetext.Line(text)
		if hidden := oracle.Hidden(text); (hidden == "") != (line == text) && text != "a\n" {
			require.Fail(t, "it is not what the oracle says", "%q is %q; the oracle: %s", text, line, hidden)
		}
		if line == text {
			shown++
		} else if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r > '~' }) {
			require.Fail(t, "it is spelled out in ASCII", "%q is %q", text, line)
		}
	}
	assert.Greater(t, shown, 100_000, "most letters are")
}

// TestTwoCharactersTogether finds effects of one character on its neighbor.
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
	for r := range rune(unicode.MaxRune + 1) {
		if utf8.ValidRune(r) && (r < 0x3000 || r%61 == 0 || r>>12 == 0xe0) {
			all.WriteRune(r)
		}
	}
	for _, text := range []string{all.String(), "\u0301", "a" + strings.Repeat("\u0301", 9), "\U000e0041\u00ad\u3164"} {
		line, err := json.Marshal([]string{text})
		require.NoError(t, err)
		safe := safetext.JSON(line)
		require.Empty(t, oracle.Hidden(string(safe)))
		require.NotContains(t, string(safe), "\n")
		var read []string
		require.NoError(t, json.Unmarshal(safe, &read))
		require.Equal(t, []string{text}, read)
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
