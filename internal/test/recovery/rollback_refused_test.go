package recovery

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
)

// TestPythonOfPackageGone_B15: the interpreter was upgraded after the package was built.
func TestPythonOfPackageGone_B15(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 2, hosttest.Options{})
	w.Hosts[1].Shell(t, "cp $(readlink -f /usr/bin/python3) ~kistest/python3.old")
	own := "hosts: {web2: {python: /home/kistest/python3.old}}\n"
	w.Inventory(testenv.InventoryText(w.Hosts, own))
	w.Run(0, "hello-0.3", "push", "staging", "--sdist", w.Archive())
	w.Inventory(testenv.InventoryText(w.Hosts, ""))
	w.Version("0.4")
	w.Run(0, "hello-0.4", "push", "staging", "--sdist", w.Archive())
	w.Hosts[1].Shell(t, "rm ~kistest/python3.old")

	r := w.Run(3, "hello-0.3", "rollback", "staging")
	assert.Contains(t, r.Err, "web2: verify: the environment of hello-0.3 is for cpython 3.11, and its interpreter /home/kistest/python3.old does not run any more")
	assert.Equal(t, w.All("hello-0.4"), w.Links())
}

// TestRollbackRefused_R1_R2_R5_R9: nothing is linked, and the remedy is named.
func TestRollbackRefused_R1_R2_R5_R9(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 2, hosttest.Options{})
	w.Earlier("0.3")
	for _, c := range []struct {
		name  string
		fault func(w *testenv.Env)
		exit  int
		says  string
	}{
		{"R5: there is nothing before", func(*testenv.Env) {}, 3, "nothing to roll back to"},
		{"R2: one host has another before", func(w *testenv.Env) {
			w.Version("0.4")
			w.Install(w.Archive())
			w.On("web1").Run(0, "hello-0.4", "link", "staging", "hello-0.4", "--hosts", "web1")
			w.Earlier("0.5")
		}, 3, "--to"},
		{"R1: a host lacks it, and the other one has not kept what it was made of", func(w *testenv.Env) {
			w.Run(0, "hello-0.4", "link", "staging", "hello-0.4")
			w.Run(0, "hello-0.5", "link", "staging", "hello-0.5")
			w.Hosts[1].Shell(w.T, "rm -r /var/webcode/hello-0.4")
		}, 3, "is not stored here\n  hint: push it to web2 from the files it was built from, with --no-link; packages: kis list staging"},
		{"R9: a host is down", func(w *testenv.Env) { w.Hosts[1].Kill() }, 3, "web2: connect: "},
	} {
		if !t.Run(c.name, func(t *testing.T) {
			w := w.In(t)
			c.fault(w)
			r := w.Run(c.exit, "", "rollback", "staging")
			assert.Contains(t, r.Err, c.says)
		}) {
			return
		}
	}
	w.Hosts[1].Restart(t)
	w.Run(0, "hello-0.3", "rollback", "staging", "--to", "hello-0.3")
}
