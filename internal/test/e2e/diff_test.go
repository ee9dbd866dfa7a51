package e2e

import (
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
)

// TestDiff: commits, files and distributions between what is linked and the project, and between packages.
func TestDiff(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 2, hosttest.Options{})
	git := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "git", append([]string{"-C", w.Dir, "-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"}, args...)...)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return string(out)
	}
	wheels := testenv.Wheelhouse(t, "itsdangerous==2.2.0")
	more := testenv.Wheelhouse(t, "itsdangerous==2.1.2")
	stages := "stages: {staging: {hosts: [web1]}, production: {hosts: [web1, web2]}}\n"
	w.Inventory(stages + "install: {requirements: requirements.txt, wheels: " + more + "}\n")
	w.Write("requirements.txt", "itsdangerous==2.1.2\n")
	w.Write(".gitignore", "inventory.yaml\n")
	git("init", "--quiet")
	git("add", "-A")
	git("commit", "--quiet", "-m", "The first one")

	production := *w
	production.Stage = "production"
	r := w.Kis("diff", "production")
	assert.Equal(t, 0, r.Exit, r.Screen())
	assert.Contains(t, r.Out, "nothing (production) → hello-0.3 (this project)\nnothing is linked yet\n")
	production.Run(0, "hello-0.3", "push", "production")
	assert.Regexp(t, `web1 +hello-0.3 .*; git [0-9a-f]{12}`, w.Kis("status", "production").Out)
	r = w.Kis("diff", "production")
	assert.Contains(t, r.Out, "hello-0.3 (production) → hello-0.3 (this project)\nno difference\n")

	w.Inventory(stages + "install: {requirements: requirements.txt, wheels: " + wheels + "}\n")
	w.Write("requirements.txt", "itsdangerous==2.2.0 # the newest\n")
	w.Write("hello/__main__.py", "print('another')\n")
	w.Version("0.4")
	git("add", "-A")
	git("commit", "--quiet", "-m", "A new \x1b[31mone")
	r = w.Kis("diff", "production")
	assert.Equal(t, 0, r.Exit, r.Screen())
	assert.Regexp(t, `hello-0.3 \(production\) → hello-0.4 \(this project\)
1 commit:
  [0-9a-f]{7,} A new .*one
`, r.Out)
	const changes = `2 files:
  M VERSION
  M hello/__main__.py
`
	assert.Contains(t, r.Out, changes)
	assert.Contains(t, r.Out, "1 distribution:\n  itsdangerous  2.1.2  → 2.2.0\nsettings that differ: install.requirements, install.wheels\n")
	assert.NotContains(t, r.Out, "\x1b")

	w.On("web1").Run(0, "hello-0.4", "push", "staging")
	r = w.Kis("diff", "production", "staging")
	assert.Equal(t, 0, r.Exit, r.Screen())
	assert.Contains(t, r.Out, "hello-0.3 (production) → hello-0.4 (staging)\n")
	assert.Contains(t, r.Out, changes)
	assert.Contains(t, r.Out, "  itsdangerous  2.1.2  → 2.2.0\n")
	r = w.Kis("diff", "staging", "hello-0.3", "-o", "json")
	assert.Contains(t, r.Out, `"files":[{"path":"VERSION","change":"changed"},{"path":"hello/__main__.py","change":"changed"}]`)

	r = w.Kis("diff", "staging", "hello-9")
	assert.Equal(t, 5, r.Exit)
	assert.Equal(t, "kis: hello-9 is not installed\n  hint: see: kis list\n", r.Err)
	r = w.Kis("diff", "staging", "production", "--rev", "HEAD")
	assert.Equal(t, 2, r.Exit)
	w.Hosts[1].Shell(t, "ln -sfn hello-0.2 /var/webcode/production")
	r = w.Kis("diff", "production")
	assert.Equal(t, 5, r.Exit)
	assert.Contains(t, r.Err, "kis: production is linked to hello-0.3 on web1, and to hello-0.2 on web2\n  hint: see: kis status production\n")
}
