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

// TestMajorityDoesNotWin_S8: two of three hosts agree, and nobody knows that it is the third that is wrong.
func TestMajorityDoesNotWin_S8(t *testing.T) {
	t.Parallel()
	w := testenv.New(t, 3, hosttest.Options{Env: []string{"PIP_NO_INDEX=1"}})
	for i, version := range []string{"2.1", "2.2", "2.2"} {
		home := w.Hosts[i].Home
		wheel(t, filepath.Join(home, "index"), "moody", version)
		require.NoError(t, os.MkdirAll(filepath.Join(home, ".config", "pip"), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(home, ".config", "pip", "pip.conf"), []byte("[install]\nfind-links = /home/kistest/index\n"), 0o644))
	}
	w.Inventory(testenv.InventoryText(w.Hosts, "install: {requirements: requirements.txt}\n"))
	w.Write("requirements.txt", "moody\n")
	r := w.Run(3, "hello-0.3", "push", "staging", "--sdist", w.Archive(), "-o", "json")
	failures := r.Report(t).Failures
	require.Len(t, failures, 2)
	for i, host := range []string{"web2", "web3"} {
		assert.Equal(t, host, failures[i].Host)
		assert.Contains(t, failures[i].Message, "hello-0.3 has another environment than on web1")
	}
	assert.Equal(t, w.All(""), w.Links())
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
