package guard_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestEveryGoroutineIsGuarded inspects the source of kis: whatever starts a goroutine, or passes a
// function to code that calls it on one, has to say what becomes of a panic there.
func TestEveryGoroutineIsGuarded(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", `{{if not .Standard}}{{.ImportPath}} {{.Dir}}{{end}}`, "../../cmd/kis").Output()
	require.NoError(t, err)
	packages, started := 0, 0
	for line := range strings.Lines(string(out)) {
		path, dir, _ := strings.Cut(strings.TrimSpace(line), " ")
		if !strings.HasPrefix(path, "github.com/keep-it-simple/kis/") || strings.HasSuffix(path, "/internal/guard") {
			continue
		}
		packages++
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		require.NoError(t, err)
		for _, file := range files {
			if !strings.HasSuffix(file, "_test.go") {
				started += unguarded(t, file)
			}
		}
	}
	assert.Greater(t, packages, 10)
	assert.Greater(t, started, 20, "goroutines that were found")
}

// unguarded reports every goroutine of a file that nothing guards, and counts the others.
func unguarded(t *testing.T, file string) (guarded int) {
	t.Helper()
	set := token.NewFileSet()
	tree, err := parser.ParseFile(set, file, nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	ast.Inspect(tree, func(n ast.Node) bool {
		switch what := problem(n); what {
		case "":
		case "guarded":
			guarded++
		default:
			t.Errorf("%s: %s: use package guard, and say what becomes of a panic", set.Position(n.Pos()), what)
		}
		return true
	})
	return guarded
}

// problem names what starts a goroutine without a guard; it is "guarded" with one, and "" for
// everything else.
func problem(n ast.Node) string {
	switch n := n.(type) {
	case *ast.GoStmt:
		return "a bare go statement"
	case *ast.CallExpr:
		return ofCall(n)
	case *ast.AssignStmt: // exec.Cmd calls Cancel on a goroutine of its own
		for i, left := range n.Lhs {
			if selector, ok := left.(*ast.SelectorExpr); ok && selector.Sel.Name == "Cancel" && len(n.Rhs) == len(n.Lhs) {
				return guardedIf(isGuard(n.Rhs[i]) || callsGuard(n.Rhs[i]), "Cancel of a command")
			}
		}
	case *ast.KeyValueExpr: // x/crypto/ssh calls them on a goroutine of its own
		if key, ok := n.Key.(*ast.Ident); ok && (key.Name == "HostKeyCallback" || key.Name == "BannerCallback") {
			return guardedIf(isGuard(n.Value) || callsGuard(n.Value), key.Name)
		}
	}
	return ""
}

func ofCall(call *ast.CallExpr) string {
	selector, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || len(call.Args) == 0 {
		return ""
	}
	last := call.Args[len(call.Args)-1]
	switch selector.Sel.Name {
	case "Go":
		return guardedIf(len(call.Args) == 2, "Go of something else than package guard")
	case "AfterFunc", "SetFinalizer", "AddCleanup":
		return guardedIf(isGuard(last), selector.Sel.Name)
	}
	return ""
}

func guardedIf(guarded bool, what string) string {
	if guarded {
		return "guarded"
	}
	return what
}

// isGuard reports whether an expression is a call of package guard.
func isGuard(e ast.Expr) bool {
	call, ok := e.(*ast.CallExpr)
	if !ok {
		return false
	}
	selector, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	of, ok := selector.X.(*ast.Ident)
	return ok && of.Name == "guard"
}

// callsGuard reports whether a function does nothing but return what package guard returns.
func callsGuard(e ast.Expr) bool {
	f, ok := e.(*ast.FuncLit)
	if !ok || len(f.Body.List) != 1 {
		return false
	}
	back, ok := f.Body.List[0].(*ast.ReturnStmt)
	return ok && len(back.Results) == 1 && isGuard(back.Results[0])
}
