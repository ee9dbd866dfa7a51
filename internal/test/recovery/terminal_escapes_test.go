package recovery

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
	"github.com/keep-it-simple/kis/internal/testenv/oracle"
)

// hostile is what a terminal obeys: a color, a title, the clipboard (OSC 52), a bell, a line written over, CSI in one byte and as a character,
// backspace, delete, turned writing, characters that nobody sees, marks one upon the other, what is no UTF-8; and lines that are not kis's.
const hostile = "plain \x1b[31mred\x1b]0;title\x07\x1b]52;c;ZXZpbA==\x07\rover \x9b31m \u009b31m \x08\x7f \u202eturned \u2066isolated \u200bnarrow " +
	"so\u00adft \u3164\ufe0f\U000e0041 \u0301\u0301\u0301\u0301 \ttab\u2028" + forged + "\n  " + forged + "\u0085" + forged + "\r" + forged + "\xff\xfe."

// forged is a line as kis prints it at the end, for people to paste.
const forged = "next: kis link production evil-1"

// printing is shell text that prints hostile. printf(1) of every sh knows octal numbers.
func printing() string {
	var octal strings.Builder
	for _, b := range []byte(hostile) {
		fmt.Fprintf(&octal, `\%03o`, b)
	}
	return "printf '" + octal.String() + `\n'`
}

// harmless fails when a text could do something to a terminal, or when a host has begun a line of it. Whoever reads the log of a run does so at
// a terminal too.
func harmless(t *testing.T, what, text string) {
	t.Helper()
	oracle.Output(t, text)
	for line := range strings.Lines(text) {
		assert.False(t, strings.HasPrefix(strings.TrimLeft(line, " "), forged), "%s has a line that is not of kis: %q", what, line)
	}
}

// screen runs kis as people do and as programs do, and looks at all that it has written.
func screen(w *testenv.Env, exit int, args ...string) string {
	w.T.Helper()
	all := ""
	for _, more := range [][]string{{"-v"}, {"-o", "json"}} {
		r := w.Kis(append(args, more...)...)
		assert.Equal(w.T, exit, r.Exit, args)
		harmless(w.T, fmt.Sprint("the output of ", args, more), r.Screen())
		all += r.Screen()
	}
	logs, err := filepath.Glob(filepath.Join(w.Home, "state", "kis", "runs", "*.jsonl"))
	require.NoError(w.T, err)
	for _, path := range logs {
		text, err := os.ReadFile(path)
		require.NoError(w.T, err)
		harmless(w.T, "the log of "+fmt.Sprint(args), string(text))
		require.NoError(w.T, os.Remove(path))
	}
	return all
}

// TestNothingThatAHostSaysReachesATerminalRaw_I7, wherever it says it.
func TestNothingThatAHostSaysReachesATerminalRaw_I7(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 1, hosttest.Options{})
	h := w.Hosts[0]
	root := w.Root(h)
	usual := testenv.InventoryText(w.Hosts, "")
	backend, err := os.ReadFile(filepath.Join(w.Dir, "build_backend", "backend.py"))
	require.NoError(t, err)
	push := func(t *testing.T, exit int, version, inventory, hook string) string {
		t.Helper()
		in := w.In(t)
		in.Version(version)
		in.Inventory(inventory)
		in.Write("build_backend/backend.py", string(backend)+hook)
		return screen(in, exit, "push", "staging", "--sdist", in.Archive())
	}
	failing := func(list string) string {
		text, err := json.Marshal(printing() + "; exit 1")
		require.NoError(t, err)
		return list + ": [" + string(text) + "]\n"
	}
	for _, c := range []struct {
		where string
		see   func(t *testing.T) string
	}{
		{"a build", func(t *testing.T) string {
			return push(t, 3, "0.1", usual, "\n\ndef build_editable(*args):\n    os.system(r"+`"""`+printing()+`"""`+")\n    raise SystemExit(1)\n")
		}},
		{"a command before the switch", func(t *testing.T) string { return push(t, 3, "0.2", usual+failing("verify"), "") }},
		{"a command after the switch", func(t *testing.T) string {
			return push(t, 0, "0.3", usual, "") + push(t, 4, "0.4", "stages:\n  staging:\n    hosts: [web1]\n    "+failing("after_link"), "")
		}},
		{"a login script", func(t *testing.T) string {
			require.NoError(t, os.WriteFile(filepath.Join(h.Home, ".bashrc"), []byte(printing()+"; "+printing()+" >&2\n"), 0o644))
			return push(t, 0, "0.5", usual, "")
		}},
		{"a login script that ends", func(t *testing.T) string {
			require.NoError(t, os.WriteFile(filepath.Join(h.Home, ".bashrc"), []byte(printing()+"; "+printing()+" >&2; exit 1\n"), 0o644))
			defer os.Remove(filepath.Join(h.Home, ".bashrc")) //nolint:errcheck // it is there
			return push(t, 3, "0.5", usual, "")
		}},
		{"the journal", func(t *testing.T) string {
			journal(t, filepath.Join(root, ".kis", "journal", "staging"))
			return screen(w.In(t), 0, "log", "staging") + screen(w.In(t), 0, "status", "staging")
		}},
		{"a receipt", func(t *testing.T) string {
			receipt(t, filepath.Join(root, "hello-0.5", ".kis", "receipt.json"))
			return screen(w.In(t), 0, "list")
		}},
		{"the holder of a lock", func(t *testing.T) string {
			defer hold(t, filepath.Join(root, ".kis", "locks", "staging"))()
			return push(t, 6, "0.6", usual, "") + screen(w.In(t), 0, "status", "staging")
		}},
		{"the name of a folder", func(t *testing.T) string {
			require.NoError(t, os.Mkdir(filepath.Join(root, hostile[len(hostile)-200:]), 0o755))
			return screen(w.In(t), 0, "list") + screen(w.In(t), 0, "status", "staging")
		}},
		{"the text of a link", func(t *testing.T) string {
			require.NoError(t, os.Remove(filepath.Join(root, "staging")))
			require.NoError(t, os.Symlink(hostile, filepath.Join(root, "staging")))
			return screen(w.In(t), 5, "status", "staging") + push(t, 3, "0.7", usual, "")
		}},
	} {
		t.Run(c.where, func(t *testing.T) {
			seen := c.see(t)
			if c.where != "the name of a folder" { // nobody has made that one a package
				assert.Contains(t, seen, "plain", "what is harmless of it is shown")
			}
		})
	}
}

// journal appends a record of a run, sealed as the agent does.
func journal(t *testing.T, path string) {
	t.Helper()
	record := map[string]any{"v": 1, "seq": 1000, "at": "2026-01-01T00:00:00Z", "run": "0123456789abcdef", "ev": "confirmed", "from": "hello-0.5", "to": "hello-0.5"}
	for _, name := range []string{"by", "key", "git", "reason", "note", "scope", "op", "boot", "content"} {
		record[name] = hostile
	}
	record["hosts"] = []string{hostile}
	text, err := json.Marshal(record)
	require.NoError(t, err)
	body := strings.TrimSuffix(string(text), "}")
	line := fmt.Sprintf(`%s,"crc":"%08x"}`, body, crc32.ChecksumIEEE(text))
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	require.NoError(t, err)
	_, err = file.WriteString(line + "\n")
	require.NoError(t, err)
	require.NoError(t, file.Close())
}

// receipt changes what a receipt says of where the package is from.
func receipt(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var all map[string]any
	require.NoError(t, json.Unmarshal(text, &all))
	for _, name := range []string{"by", "git"} {
		all[name] = hostile
	}
	text, err = json.Marshal(all)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, text, 0o444))
}

// hold takes a lock as somebody with a hostile name.
func hold(t *testing.T, path string) (release func()) {
	t.Helper()
	owner, err := json.Marshal(map[string]any{"who": hostile, "what": hostile, "run": hostile, "since": "2026-01-01T00:00:00Z", "pid": 1})
	require.NoError(t, err)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_TRUNC, 0)
	require.NoError(t, err)
	_, err = file.Write(owner)
	require.NoError(t, err)
	require.NoError(t, syscall.Flock(int(file.Fd()), syscall.LOCK_EX))
	return func() { require.NoError(t, file.Close()) }
}
