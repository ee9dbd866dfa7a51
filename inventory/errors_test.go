package inventory

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/safetext"
)

func TestErrorShowsLineAndCaret(t *testing.T) {
	t.Parallel()
	_, err := Parse("deploy/inventory.yaml", []byte("# ä\nstages:\n  s: {hosts: [\"ö\",\t-x]}\r\n"), nil)
	require.EqualError(t, err, "deploy/inventory.yaml:3:15: stages.s.hosts: \"ö\" is not a host name; "+
		"use up to 253 of A-Z a-z 0-9 . _ -, or an IP address\n"+
		"    s: {hosts: [\"ö\",\\t-x]}\n"+
		"                ^\n"+
		"deploy/inventory.yaml:3:20: stages.s.hosts: \"-x\" begins with a hyphen, which programs take for an option\n"+
		"    s: {hosts: [\"ö\",\\t-x]}\n"+
		"                      ^")
	var all Errors
	require.ErrorAs(t, err, &all)
	first := all[0]
	assert.Equal(t, "deploy/inventory.yaml", first.File)
	assert.Equal(t, "stages.s.hosts", first.Path)
	assert.Equal(t, `  s: {hosts: ["ö",\t-x]}`, first.Source)
}

// The caret stands below what is shown, which may be longer than what is there.
func TestErrorsShowWhatNobodySees(t *testing.T) {
	t.Parallel()
	for name, shown := range map[string]string{"\u00ad": `\u00ad`, "\u3164": `\u3164`, "\U000e0041": `\U000e0041`, "x\u0301\u0301\u0301\u0301": "x\u0301\u0301\u0301" + `\u0301`} {
		_, err := Parse("in\nventory.yaml", []byte("stages:\n  s: {hosts: [\""+name+"\", -x]}\n"), nil)
		require.Error(t, err)
		lines := strings.Split(err.Error(), "\n")
		require.Len(t, lines, 6, "%q", lines)
		assert.True(t, strings.HasPrefix(lines[0], `in\nventory.yaml:2:15: stages.s.hosts: "`), lines[0])
		assert.Equal(t, `    s: {hosts: ["`+shown+`", -x]}`, lines[4])
		before, _, _ := strings.Cut(lines[4], "-x")
		assert.Equal(t, strings.Repeat(" ", len([]rune(before)))+"^", lines[5], "%q", name)
		for _, line := range lines {
			assert.Equal(t, safetext.Line(line), line)
		}
	}
}

func TestErrorShortensLongLines(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, before, after string }{
		{"at the begin", "", strings.Repeat(", b", 100)},
		{"in the middle", strings.Repeat("'', ", 50), strings.Repeat(", b", 100)},
		{"at the end", strings.Repeat("'', ", 50), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse("i", []byte("stages: {s: {hosts: ["+tt.before+"~bad"+tt.after+"]}}"), nil)
			var all Errors
			require.ErrorAs(t, err, &all)
			found := false
			for _, e := range all {
				assert.LessOrEqual(t, len([]rune(e.Source)), excerptWidth+2)
				if strings.Contains(e.Message, "~bad") {
					found = true
					assert.Equal(t, "~bad", string([]rune(e.Source)[e.caret:][:4]), "the caret stands under the place")
				}
			}
			assert.True(t, found)
		})
	}
}

func TestErrorsStopAtLimit(t *testing.T) {
	t.Parallel()
	_, err := Parse("i", []byte("stages: {s: {hosts: ["+strings.Repeat("'', ", 5000)+"]}, t: {hosts: [1]}, u: 1}"), nil)
	var all Errors
	require.ErrorAs(t, err, &all)
	assert.Len(t, all, maxErrors)
	assert.True(t, strings.HasSuffix(err.Error(), "\nstopped after 100 errors"))
}
