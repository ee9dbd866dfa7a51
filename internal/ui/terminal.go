package ui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"

	"github.com/keep-it-simple/kis/internal/guard"
	"github.com/keep-it-simple/kis/sshx"
)

// Console is the user's terminal, for a process on a host. Close it.
type Console struct {
	tty    *os.File
	caught func(*guard.Panic)
}

// Console opens the user's terminal.
func (u *UI) Console() (*Console, error) {
	if !u.Interactive || !u.Terminal {
		return nil, errors.New("input and output are no terminal")
	}
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	return &Console{tty, u.Caught}, nil
}

// Close closes it.
func (c *Console) Close() error { return c.tty.Close() }

// Terminal describes it for the host.
func (c *Console) Terminal() (sshx.Terminal, error) {
	columns, rows, err := term.GetSize(int(c.tty.Fd()))
	if err != nil {
		return sshx.Terminal{}, fmt.Errorf("the terminal: %w", err)
	}
	kind := os.Getenv("TERM")
	if kind == "" {
		kind = "dumb"
	}
	return sshx.Terminal{Type: kind, Columns: columns, Rows: rows}, nil
}

// Attach connects the terminal with a process until the process ends, and returns how it ended. What is typed
// reaches the process unchanged, Ctrl-C too; the terminal is restored in any case.
func (c *Console) Attach(ctx context.Context, p *sshx.Process) error {
	before, err := term.MakeRaw(int(c.tty.Fd()))
	if err != nil {
		return fmt.Errorf("the terminal: %w", err)
	}
	defer term.Restore(int(c.tty.Fd()), before) //nolint:errcheck // there is no other way to restore it
	stop := context.AfterFunc(ctx, guard.Func(func() { _ = p.Close() }, c.caught))
	defer stop()
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, syscall.SIGWINCH)
	ended := make(chan struct{})
	defer close(ended)
	defer signal.Stop(resized)
	guard.Go(func() { c.follow(p, resized, ended) }, c.caught)
	guard.Go(func() { // it reads until the terminal is closed, or kis ends
		_, _ = io.Copy(p.Stdin, c.tty)
		_ = p.Stdin.Close()
	}, c.caught)
	if _, err := io.Copy(c.tty, p.Stdout); err != nil {
		return fmt.Errorf("the terminal: %w", err)
	}
	return p.Wait()
}

// follow passes on the size of the terminal.
func (c *Console) follow(p *sshx.Process, resized <-chan os.Signal, ended <-chan struct{}) {
	for {
		select {
		case <-ended:
			return
		case <-resized:
			if t, err := c.Terminal(); err == nil {
				_ = p.Resize(t.Columns, t.Rows)
			}
		}
	}
}
