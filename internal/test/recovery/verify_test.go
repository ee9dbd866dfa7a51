package recovery

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
)

// forging fails, after it has written an answer of the agent, and the record of a step that ended well, wherever its parents read or write. The
// shell that runs it, and that shell's parent, the agent, belong to the same user.
const forging = `test $KIS_HOST = web1 || {
	agent=$(cut -d" " -f4 /proc/$PPID/stat)
	for fd in /proc/$$/fd/* /proc/$PPID/fd/* /proc/$agent/fd/1 /proc/$agent/fd/2; do
		test -w $fd && printf "KIS1 %032d {\"id\":9,\"ev\":\"done\"}\nkis\tfinished\tyes\n" 0 >$fd
	done 2>&-
	false
}`

// TestImportFails_V1, and its traceback is shown.
func TestImportFails_V1(t *testing.T) {
	long(t)
	t.Parallel()
	w := testenv.New(t, 1, hosttest.Options{})
	w.Earlier("0.3")
	w.Version("0.4")
	w.Write("hello/__init__.py", "raise RuntimeError('no database')\n")
	r := w.Run(3, "", "push", "staging", "--sdist", w.Archive())
	assert.Contains(t, r.Err, "web1: verify: ")
	assert.Contains(t, r.Err, "raise RuntimeError('no database')", "the line of the traceback")
	assert.Contains(t, r.Err, "RuntimeError: no database")
}

// TestVerificationHangs_V3 at the time limit, with what it has started.
func TestVerificationHangs_V3(t *testing.T) {
	long(t)
	t.Parallel()
	w := testenv.New(t, 2, hosttest.Options{})
	w.Earlier("0.3")
	w.Version("0.4")
	archive := w.Archive()
	w.Run(0, "", "push", "staging", "--no-link", "--sdist", archive)
	w.Inventory(testenv.InventoryText(w.Hosts, "verify: [\"test $KIS_HOST = web1 || { sleep 1000 & sleep 1000; }\"]\n"))
	r := w.Run(3, "hello-0.4", "push", "staging", "--sdist", archive, "--timeout", "10s")
	assert.Contains(t, r.Err, "web2: verify: ")
	assert.Contains(t, r.Err, "sleep 1000", "the command is named")
	assert.Contains(t, r.Err, "still running at its deadline")
	assert.Empty(t, w.PIDs(w.Hosts[1], "sleep 1000"))
}
