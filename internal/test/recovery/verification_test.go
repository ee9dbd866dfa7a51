package recovery

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
	"github.com/keep-it-simple/kis/internal/testenv/oracle"
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

// TestVerificationFails_V2_V4_I7_I8: commands of the inventory, run before the barrier on web2, that do not come to a good end.
func TestVerificationFails_V2_V4_I7_I8(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 2, hosttest.Options{})
	w.Earlier("0.3")
	w.Version("0.4")
	archive := w.Archive()
	w.Install(archive) // so that what runs on the hosts is the commands of the inventory only
	for _, c := range []struct{ name, command, says string }{
		{"V2: it fails", "echo the tests say no; test $KIS_HOST = web1", "the tests say no"},
		{"V4: it kills what started it", "test $KIS_HOST = web1 || kill -9 $PPID", "web2: "},
		{"V4: it says what an agent would say", `test $KIS_HOST = web1 || { printf 'KIS1 %032d {"id":9,"ev":"done"}' 0; false; }`, "web2: verify: "},
		{"V4: it says so to all that started it", forging, "web2: "},
		{"V4,I7: it prints control characters", `printf '\033]52;c;YQ==\007\rweb2 is fine\n'; test $KIS_HOST = web1`, "web2: verify: "},
		{"V4,I8: it prints without end", "test $KIS_HOST = web1 || { head -c 300000000 /dev/zero; false; }", "web2: verify: "},
	} {
		ok := t.Run(c.name, func(t *testing.T) {
			w := w.In(t)
			w.Inventory(fmt.Sprintf("stages: {staging: {hosts: [web1, web2]}}\nverify: [%s]\n", "'"+strings.ReplaceAll(c.command, "'", "''")+"'"))
			watch := oracle.Start(t, w.Stage, w.OracleHosts()...)
			r := w.Kis("push", "staging", "--sdist", archive)
			require.Equal(t, 3, r.Exit)
			watch.Check(oracle.Expect{Exit: 3, To: "hello-0.4", Dirty: true})
			assert.Contains(t, r.Err, c.says)
		})
		if !ok {
			return
		}
	}
	w.Inventory(testenv.InventoryText(w.Hosts, ""))
	w.Run(0, "hello-0.4", "push", "staging", "--sdist", archive)
}
