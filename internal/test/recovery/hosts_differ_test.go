package recovery

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
)

// TestHostsWithOtherIndexesGetTheSame_S8: each host would find another version, and all get what one of them has found.
func TestHostsWithOtherIndexesGetTheSame_S8(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 3, hosttest.Options{Env: []string{"PIP_NO_INDEX=1"}})
	for i, version := range []string{"2.1", "2.2", "2.3"} {
		home := w.Hosts[i].Home
		wheel(t, filepath.Join(home, "index"), "moody", version)
		require.NoError(t, os.MkdirAll(filepath.Join(home, ".config", "pip"), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(home, ".config", "pip", "pip.conf"), []byte("[global]\nfind-links = /home/kistest/index\n"), 0o644))
	}
	w.Inventory(testenv.InventoryText(w.Hosts, "install: {requirements: requirements.txt}\n"))
	w.Write("requirements.txt", "moody\n")
	w.Run(0, "hello-0.3", "push", "staging", "--sdist", w.Archive())
	record := func(i int) string {
		text, err := os.ReadFile(filepath.Join(w.Hosts[i].Repo, "hello-0.3", ".kis", "environment"))
		require.NoError(t, err)
		return string(text)
	}
	assert.Regexp(t, `(?m)^moody==2\.[123] [0-9a-f]{64} moody-2\.[123]-py3-none-any\.whl$`, record(0))
	for i := range w.Hosts {
		assert.Equal(t, record(0), record(i))
	}
}

// TestReceiptDiffers_S8: one host claims to have made its package of something else, or with something else.
func TestReceiptDiffers_S8(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 2, hosttest.Options{})
	w.Earlier("0.3")
	w.Version("0.4")
	archive := w.Archive()
	w.Run(0, "", "push", "staging", "--no-link", "--sdist", archive)
	for _, c := range []struct {
		member string
		args   []string
		says   string
	}{
		{"environment", []string{"link", "staging", "hello-0.4"}, "web2: verify: hello-0.4 has another environment than on web1"},
		{"content", []string{"push", "staging", "--sdist", archive}, "web2: check: hello-0.4 is installed with other content"},
	} {
		t.Run(c.member, func(t *testing.T) {
			receipt := filepath.Join(w.Hosts[1].Repo, "hello-0.4", ".kis", "receipt.json")
			before, err := os.ReadFile(receipt)
			require.NoError(t, err)
			w.Hosts[1].Shell(t, `cd /var/webcode/hello-0.4/.kis; sed -i 's/"`+c.member+`": "\(sha256:\)\?..../"`+c.member+`": "\10123/' receipt.json`)
			after, err := os.ReadFile(receipt)
			require.NoError(t, err)
			require.NotEqual(t, string(before), string(after))
			r := w.In(t).Run(3, "hello-0.4", c.args...)
			assert.Contains(t, r.Err, c.says)
			assert.Equal(t, w.All("hello-0.3"), w.Links())
			require.NoError(t, os.WriteFile(receipt, before, 0o444))
		})
	}
	w.Run(0, "hello-0.4", "push", "staging", "--sdist", archive)
}
