package ui

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/event"
)

func TestPrintedValuesAreSafe(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := Printer{&out}
	red := painter{on: true}.bad("a\n\x1b[1mb")
	p.Printf("%s %v %s %d %.1f %t %s %v|%-4s|%-*s|\n", "a\nb", event.Step("\x1b"), red, 7, 1.5, true, assert.AnError, []string{"\t"}, "é", 3, "\n")
	assert.Equal(t, `a\nb \x1b `+"\x1b[31m"+`a\n\x1b[1mb`+"\x1b[0m 7 1.5 true "+assert.AnError.Error()+` [\t]|é   |\n |`+"\n", out.String())
	out.Reset()
	p.hint("first\nkis: second\r\n\x1b[2Jthird")
	p.tail([]string{"\tmake\n", "next: x"})
	p.Lines("a", "b\nc")
	p.question("  host\tkey", " [y/N]\n ")
	assert.Equal(t, "  hint: first\n  hint: kis: second\\r\n  hint: \\x1b[2Jthird\n    |         make\\n\n    | next: x\na\nb\\nc\n  host\\tkey\n[y/N] ", out.String())
	assert.Equal(t, []string{`a\tb  c`, `d     e\n`}, aligned([][]string{{"a\tb", "c"}, {"d", "e\n"}}))
	out.Reset()
	_, err := p.Help().Write([]byte("staging\tthe stage\n\x1b[2J\n"))
	require.NoError(t, err)
	assert.Equal(t, "staging\tthe stage\n\\x1b[2J\n", out.String())
}

func TestABuildersOutputIsMarked(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	u := &UI{Streams: Streams{Out: Printer{&out}, Err: Printer{&out}}, Verbose: true}
	v := u.View()
	end := v.Building()
	for _, part := range []string{"one\nnext: kis ", "link\x1b[A\n\ttwo \xe2", "\x9c\x93\n\n", strings.Repeat("x", longLine+1), "y"} {
		_, err := v.BuildLog().Write([]byte(part))
		require.NoError(t, err)
	}
	end()
	assert.Equal(t, "| one\n| next: kis link\\x1b[A\n|         two ✓\n| \n| "+strings.Repeat("x", longLine)+"\n| xy\n", out.String())
}

func TestALongLastCellIsWrappedBelowItself(t *testing.T) {
	t.Parallel()
	rows := func() [][]string {
		return [][]string{{"  web1", "app-1", "since noon by ann@laptop; a note"}, {"  web2", "nothing", ""}, {"  web3", "app-1", "check: " + strings.Repeat("x", 25)}}
	}
	assert.Equal(t, []string{
		"  web1  app-1    since noon by", "                 ann@laptop; a", "                 note", "  web2  nothing",
		"  web3  app-1    check:", "        " + strings.Repeat("x", 25),
	}, wrapped(rows(), 34))
	assert.Equal(t, "  web1  app-1    since noon by ann@laptop; a note", wrapped(rows(), 0)[0])
	assert.Empty(t, wrapped(nil, 80))
}

func TestSentencesFitIntoATerminal(t *testing.T) {
	t.Parallel()
	u := &UI{Streams: Streams{Interactive: true, Columns: func() int { return 40 }}}
	sentence := "kis: the requirements are unchanged: their wheels are those of hello-1.1; --upgrade resolves them anew"
	assert.Equal(t, []string{"kis: the requirements are unchanged:", "    their wheels are those of hello-1.1;", "    --upgrade resolves them anew"}, u.fitted(sentence))
	assert.Equal(t, []string{"kis: short"}, u.fitted("kis: short"))
	u.Interactive = false
	assert.Equal(t, []string{sentence}, u.fitted(sentence), "errors may go to a file")
}

func TestRowsAreCutByWhatIsShown(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"abcde": "abcde", "abcdef": "abcd…", "日本": "日本", "日本語": "日本…", "ab日本": "ab日…", "a日本語": "a日…", "": ""} {
		assert.Equal(t, want, cut(text, 5), text)
	}
}

// TestWhatIsPrintedIsAConstantAndValues: a computed format would bring a value past the printer,
// and so would a conversion to colored.
func TestWhatIsPrintedIsAConstantAndValues(t *testing.T) {
	t.Parallel()
	var files []string
	for _, dir := range []string{".", "../../cmd/kis", "../demo"} {
		found, err := filepath.Glob(filepath.Join(dir, "*.go"))
		require.NoError(t, err)
		files = append(files, found...)
	}
	formats := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			call, isCall := n.(*ast.CallExpr)
			if !isCall {
				return true
			}
			switch called := call.Fun.(type) {
			case *ast.SelectorExpr:
				if called.Sel.Name == "Printf" {
					formats++
					_, constant := call.Args[0].(*ast.BasicLit)
					assert.True(t, constant, "%s: the format is not a constant", name)
				}
			case *ast.Ident:
				assert.False(t, called.Name == "colored" && name != "format.go", "%s: only a painter colors", name)
			}
			return true
		})
	}
	assert.Greater(t, formats, 30)
}
