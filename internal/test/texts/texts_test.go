// Package texts has every text with which kis refuses or fails, in one list that a reader can read and a change shows.
package texts

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write testdata/errors.txt instead of comparing with it") //nolint:gochecknoglobals // flags of a test have no other place

const root = "../../.."

// text is what may reach a user, with … for what is only known when it does.
type text struct{ file, text string }

func (t text) String() string { return t.file + ": " + strconv.Quote(t.text) }

// TestTextsOfErrors: testdata/errors.txt lists them. None begins with a capital or ends with a full stop, none shows the name
// of a Go type or the form of a Go value.
func TestTextsOfErrors(t *testing.T) {
	t.Parallel()
	found := append(ofGo(t), ofPython(t)...)
	slices.SortFunc(found, func(a, b text) int { return strings.Compare(a.String(), b.String()) })
	found = slices.Compact(found)
	require.Greater(t, len(found), 500)
	var list strings.Builder
	for _, one := range found {
		list.WriteString(one.String() + "\n")
		assert.NotRegexp(t, `%(T|#v|\+v|!)|\*?\b[a-z]+\.[A-Z][A-Za-z]+\b.*\{`, one.text, one)
		assert.NotRegexp(t, `^[A-Z][a-z]+ [a-z]`, strings.TrimPrefix(one.text, "IgnoreUnknown "), "begins like a sentence: %s", one)
		assert.NotRegexp(t, `[^.…]\.$`, one.text, "ends like a sentence: %s", one)
	}
	if *update {
		require.NoError(t, os.WriteFile("testdata/errors.txt", []byte(list.String()), 0o644))
	}
	want, err := os.ReadFile("testdata/errors.txt")
	require.NoError(t, err)
	assert.Equal(t, string(want), list.String(), "go test ./internal/test/texts -update")
}

// makers are the functions that make an error or a hint, with the arguments that are texts.
func makers() map[string][]int {
	return map[string][]int{
		"errors.New": {0}, "fmt.Errorf": {0}, "Refuse": {1, 2}, "refuse": {0, 1}, "fail": {0}, "usageError": {1}, "problem": {1, 2},
		"require": {1},
	}
}

// members are the fields of errors that are shown.
func members() []string { return []string{"Message", "Hint", "Help"} }

// ofGo are the texts in the Go code of the product.
func ofGo(t *testing.T) []text {
	t.Helper()
	var found []text
	for _, dir := range []string{"cmd", "internal", "sshx", "transfer", "remote", "inventory"} {
		require.NoError(t, filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			switch name := strings.TrimPrefix(path, root+"/"); {
			case err != nil:
				return err
			case d.IsDir() && (name == "internal/test" || name == "internal/testenv" || name == "internal/sshtest" || d.Name() == "testdata"):
				return fs.SkipDir
			case strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go"):
				file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
				if err != nil {
					return err
				}
				found = append(found, inFile(name, file)...)
			}
			return nil
		}))
	}
	return found
}

func inFile(path string, file *ast.File) []text {
	var found []text
	add := func(e ast.Expr) {
		if words := constant(e); strings.Trim(words, "… :%swvdq\n,") != "" {
			found = append(found, text{path, words})
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			for _, at := range makers()[called(n.Fun)] {
				if at < len(n.Args) {
					add(n.Args[at])
				}
			}
		case *ast.KeyValueExpr:
			if key, ok := n.Key.(*ast.Ident); ok && slices.Contains(members(), key.Name) {
				add(n.Value)
			}
		}
		return true
	})
	return found
}

// called is a function's name, with its package where that decides what it is.
func called(fun ast.Expr) string {
	switch f := fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		if in, ok := f.X.(*ast.Ident); ok && (in.Name == "errors" || in.Name == "fmt") {
			return in.Name + "." + f.Sel.Name
		}
		return f.Sel.Name
	}
	return ""
}

// constant is what is known of a text.
func constant(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if words, err := strconv.Unquote(e.Value); err == nil && e.Kind == token.STRING {
			return words
		}
	case *ast.BinaryExpr:
		return constant(e.X) + constant(e.Y)
	case *ast.ParenExpr:
		return constant(e.X)
	case *ast.CallExpr:
		if name := called(e.Fun); (name == "fmt.Sprintf" || name == "fmt.Errorf") && len(e.Args) > 0 {
			return constant(e.Args[0])
		}
	}
	return "…"
}

// ofPython are the texts with which the agent refuses: Refused(code, message, hint) and problem(code, message, hint).
func ofPython(t *testing.T) []text {
	t.Helper()
	files, err := filepath.Glob(root + "/scripts/kisagent/*.py")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	out, err := exec.CommandContext(t.Context(), "python3", append([]string{"testdata/texts.py"}, files...)...).Output()
	require.NoError(t, err)
	var found []text
	for line := range strings.Lines(string(out)) {
		path, words, some := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		require.True(t, some, line)
		found = append(found, text{strings.TrimPrefix(path, root+"/"), words})
	}
	return found
}
