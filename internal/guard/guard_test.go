package guard_test

import (
	"errors"
	"io"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/guard"
)

// bugs are the ways in which a goroutine does not do its work.
func bugs() map[string]struct {
	f    func()
	says string
} {
	var none map[string]int
	var nothing *guard.Panic
	return map[string]struct {
		f    func()
		says string
	}{
		"a value":       {func() { panic("some value") }, "panic: some value"},
		"an error":      {func() { panic(io.EOF) }, "panic: EOF"},
		"nil":           {func() { panic(nil) }, "panic: panic called with nil argument"},
		"a nil map":     {func() { none["x"] = 1 }, "panic: assignment to entry in nil map"},
		"a nil pointer": {func() { _ = nothing.Value }, "panic: runtime error: invalid memory address or nil pointer dereference"},
		"again": {func() {
			defer func() { panic(recover()) }()
			panic("first")
		}, "panic: first"},
		"while another one runs": {func() {
			defer func() { panic("second") }()
			panic("first")
		}, "panic: second"},
		"the goroutine ends": {func() { runtime.Goexit() }, "panic: runtime.Goexit was called"},
	}
}

func requirePanic(t *testing.T, err error, says string) {
	t.Helper()
	var p *guard.Panic
	require.ErrorAs(t, err, &p)
	assert.Contains(t, p.Error(), says)
	assert.Contains(t, p.Stack, "guard_test.bugs", "the stack names the place")
	assert.NotErrorIs(t, err, io.EOF)
}

func TestRunReturnsWhatWasThrown(t *testing.T) {
	t.Parallel()
	for name, bug := range bugs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cleaned := false
			err := guard.Run(func() error {
				defer func() { cleaned = true }()
				bug.f()
				return nil
			})
			requirePanic(t, err, bug.says)
			assert.True(t, cleaned)
		})
	}
}

func TestErrorsAreReturned(t *testing.T) {
	t.Parallel()
	wrong := errors.New("wrong")
	require.NoError(t, guard.Run(func() error { return nil }))
	require.NoError(t, guard.Try(func() error { return nil }))
	assert.Equal(t, wrong, guard.Run(func() error { return wrong }))
	assert.Equal(t, wrong, guard.Try(func() error { return wrong }))
}

func TestTryReturnsWhatWasThrown(t *testing.T) {
	t.Parallel()
	for name, bug := range bugs() {
		if name == "the goroutine ends" {
			continue // Try cannot keep it
		}
		requirePanic(t, guard.Try(func() error { bug.f(); return nil }), bug.says)
	}
}

func TestGroupAndGoHandOverWhatWasThrown(t *testing.T) {
	t.Parallel()
	for name, bug := range bugs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var group guard.Group
			var got [3]*guard.Panic
			group.Go(bug.f, func(p *guard.Panic) { got[0] = p })
			group.Go(func() {}, func(p *guard.Panic) { got[1] = p })
			group.Wait()
			done := make(chan struct{})
			guard.Go(bug.f, func(p *guard.Panic) { got[2] = p; close(done) })
			<-done
			requirePanic(t, got[0], bug.says)
			requirePanic(t, got[2], bug.says)
			assert.Nil(t, got[1])
			if name != "the goroutine ends" {
				called := 0
				guard.Func(bug.f, func(*guard.Panic) { called++ })()
				assert.Equal(t, 1, called)
			}
		})
	}
}
