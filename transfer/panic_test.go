package transfer_test

import (
	"bytes"
	"io"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/guard"
	"github.com/keep-it-simple/kis/transfer"
)

type reader func(p []byte) (int, error)

func (r reader) Read(p []byte) (int, error) { return r(p) }

// TestAPanicLeavesNoFile, neither of who reads nor of who is told: the host is well, and the part
// of the file is removed.
func TestAPanicLeavesNoFile(t *testing.T) {
	t.Parallel()
	const size = 300_000
	for name, test := range map[string]struct {
		src      io.Reader
		progress func(int64)
		says     string
	}{
		"the source":   {reader(func([]byte) (int, error) { panic("a bug") }), nil, "panic: a bug"},
		"the progress": {bytes.NewReader(make([]byte, size)), func(int64) { panic("a bug") }, "panic: a bug"},
		"Goexit":       {bytes.NewReader(make([]byte, size)), func(int64) { runtime.Goexit() }, "panic: runtime.Goexit was called"},
	} {
		s := newSite(t)
		err := transfer.Put(t.Context(), s.sftp, test.src, size, s.path(), transfer.Options{Progress: test.progress})
		var failed *transfer.Error
		require.ErrorAs(t, err, &failed, name)
		assert.Equal(t, transfer.Bug, failed.Kind)
		assert.False(t, failed.Refused(), "it is not the host that has refused it")
		var bug *guard.Panic
		require.ErrorAs(t, err, &bug, name)
		assert.Equal(t, test.says, bug.Error())
		s.requireAbsent(t)
	}
}
