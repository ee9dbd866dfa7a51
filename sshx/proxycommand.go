package sshx

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/keep-it-simple/kis/internal/guard"
	"github.com/keep-it-simple/kis/internal/safetext"
	"github.com/keep-it-simple/kis/internal/tail"
)

// commandConn is a connection through the standard input and output of a ProxyCommand,
// ssh_config(5).
//
// The command runs in a session of its own, without a terminal: Ctrl-C interrupts kis and not its
// connections during a switch, and many commands cannot prompt at once. The session is also a
// process group, so that the command can be killed with its children.
type commandConn struct {
	fromCommand, toCommand *os.File

	cmd    *exec.Cmd
	stderr tail.Lines
	ended  chan struct{} // closed when the command has ended and is reaped
	result error         // of the command; read it after ended
	once   sync.Once
}

// commandGrace is the time from closing the connection to SIGTERM, and from SIGTERM to SIGKILL.
const commandGrace = time.Second

// startCommand starts a program with its arguments as the other end of a connection.
func startCommand(ctx context.Context, argv []string) (*commandConn, error) {
	in, toCommand, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	fromCommand, out, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, in.Close(), toCommand.Close())
	}
	c := &commandConn{fromCommand: fromCommand, toCommand: toCommand, ended: make(chan struct{})}
	// ctx limits the dial only; Close ends the command.
	c.cmd = exec.CommandContext(context.WithoutCancel(ctx), argv[0], argv[1:]...)
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = in, out, &c.stderr
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	c.cmd.WaitDelay = commandGrace // children of the command may keep its standard error open
	err = c.cmd.Start()
	_ = in.Close() // the command has its own copy
	_ = out.Close()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("ProxyCommand: %w", err), fromCommand.Close(), toCommand.Close())
	}
	guard.Go(func() { // Close waits for it
		c.result = c.cmd.Wait()
		// Kill the rest of its process group now: later the id could be reused.
		_ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL)
		close(c.ended)
	}, func(p *guard.Panic) {
		c.result = p
		close(c.ended)
	})
	return c, nil
}

// Read reads what the command prints.
func (c *commandConn) Read(b []byte) (int, error) { return c.fromCommand.Read(b) }

// Write sends to the command's standard input.
func (c *commandConn) Write(b []byte) (int, error) { return c.toCommand.Write(b) }

// Close closes the connection and waits until the command is reaped. A command that does not exit
// at the end of its input gets SIGTERM, then SIGKILL.
func (c *commandConn) Close() error {
	c.once.Do(func() {
		_ = c.toCommand.Close()
		_ = c.fromCommand.Close()
		for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
			timer := time.NewTimer(commandGrace)
			select {
			case <-c.ended:
			case <-timer.C:
				_ = syscall.Kill(-c.cmd.Process.Pid, signal)
			}
			timer.Stop()
		}
		<-c.ended
	})
	return nil
}

// explain adds the exit status and the standard error of the command to an error of the handshake.
// The handshake has closed the connection.
func (c *commandConn) explain(err error) error {
	_ = c.Close()
	dial, ok := errors.AsType[*DialError](err)
	if !ok {
		return err
	}
	text, output := dialCause(dial), c.lastWords()
	// When kis closed the connection first, the exit status is only the consequence.
	exit, failed := errors.AsType[*exec.ExitError](c.result)
	if failed = failed && isDropped(dial.Err); failed {
		text = fmt.Sprintf("`%s` ended: %s", safetext.Line(c.command()), exit)
	}
	if output != "" {
		text += "; its output: " + output
	}
	if failed || output != "" {
		dial.Command = text
	}
	return dial
}

// command is the last argument: the command in ssh_config, without the exec before it.
func (c *commandConn) command() string {
	return strings.TrimPrefix(c.cmd.Args[len(c.cmd.Args)-1], "exec ")
}

// LocalAddr is a placeholder: there is no socket.
func (c *commandConn) LocalAddr() net.Addr { return &net.TCPAddr{} }

// RemoteAddr is a placeholder: only the command knows the address.
func (c *commandConn) RemoteAddr() net.Addr { return &net.TCPAddr{} }

// SetDeadline sets both deadlines.
func (c *commandConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline limits Read.
func (c *commandConn) SetReadDeadline(t time.Time) error { return c.fromCommand.SetReadDeadline(t) }

// SetWriteDeadline limits Write.
func (c *commandConn) SetWriteDeadline(t time.Time) error { return c.toCommand.SetWriteDeadline(t) }

// lastWords is the end of what the command wrote to its standard error, as one harmless line.
func (c *commandConn) lastWords() string {
	last := c.stderr.Lines()
	return safetext.Line(strings.ToValidUTF8(strings.Join(last[max(0, len(last)-4):], "; "), "?"))
}
