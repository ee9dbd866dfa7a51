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

	"github.com/keep-it-simple/kis/internal/tail"
)

// commandConn is a connection through the standard input and output of a
// ProxyCommand (ssh_config(5)).
//
// The command runs in a session of its own. It then has no terminal, so a ^C
// that is meant for kis does not end the connections in the middle of a switch,
// and 64 of them cannot ask for 64 passphrases at once. It also makes a group
// that can be killed with everything it has started.
type commandConn struct {
	fromCommand, toCommand *os.File

	cmd    *exec.Cmd
	stderr tail.Lines
	ended  chan struct{} // closed when the command has ended and is reaped
	result error         // of the command; read it after ended
	once   sync.Once
}

// commandGrace is how long a command may take to end by itself after the
// connection has been closed, and then after a polite signal.
const commandGrace = time.Second

// startCommand runs a program with its arguments as the far side of a connection.
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
	// The connection outlives ctx, which bounds the dial; Close ends it.
	c.cmd = exec.CommandContext(context.WithoutCancel(ctx), argv[0], argv[1:]...)
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = in, out, &c.stderr
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	c.cmd.WaitDelay = commandGrace // what the command leaves behind may hold its standard error open
	err = c.cmd.Start()
	_ = in.Close() // the command has its own
	_ = out.Close()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("ProxyCommand: %w", err), fromCommand.Close(), toCommand.Close())
	}
	go func() { // Close waits for it
		defer close(c.ended)
		c.result = c.cmd.Wait()
		// What is left of its group ends with it, at once: later the number
		// could be another group's.
		_ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL)
	}()
	return c, nil
}

// Read reads what the command prints.
func (c *commandConn) Read(b []byte) (int, error) { return c.fromCommand.Read(b) }

// Write sends to the command's standard input.
func (c *commandConn) Write(b []byte) (int, error) { return c.toCommand.Write(b) }

// Close ends the connection, and the command with its whole process group, and
// waits until it is reaped. A command that does not mind the end of its input is
// told by SIGTERM and then by SIGKILL.
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

// explain adds to an error of the handshake how the command ended and what it
// said. The connection is closed by then.
func (c *commandConn) explain(err error) error {
	_ = c.Close()
	dial, ok := errors.AsType[*DialError](err)
	if !ok {
		return err
	}
	text, said := dialCause(dial), c.lastWords()
	// When this side hung up first, the status is only the answer to that.
	exit, failed := errors.AsType[*exec.ExitError](c.result)
	if failed = failed && isDropped(dial.Err); failed {
		text = fmt.Sprintf("`%s` ended: %s", printable(c.command()), exit)
	}
	if said != "" {
		text += "; it said: " + said
	}
	if failed || said != "" {
		dial.Command = text
	}
	return dial
}

// command is what a person would recognize: the last argument, which is what
// stands in ssh_config, without the exec that ssh puts before it.
func (c *commandConn) command() string {
	return strings.TrimPrefix(c.cmd.Args[len(c.cmd.Args)-1], "exec ")
}

// LocalAddr is a placeholder: there is no socket.
func (c *commandConn) LocalAddr() net.Addr { return &net.TCPAddr{} }

// RemoteAddr is a placeholder: only the command knows where it leads.
func (c *commandConn) RemoteAddr() net.Addr { return &net.TCPAddr{} }

// SetDeadline sets both deadlines.
func (c *commandConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline bounds Read.
func (c *commandConn) SetReadDeadline(t time.Time) error { return c.fromCommand.SetReadDeadline(t) }

// SetWriteDeadline bounds Write.
func (c *commandConn) SetWriteDeadline(t time.Time) error { return c.toCommand.SetWriteDeadline(t) }

// lastWords is the end of what the command wrote to its standard error, as one harmless line.
func (c *commandConn) lastWords() string {
	last := c.stderr.Lines()
	return printable(strings.ToValidUTF8(strings.Join(last[max(0, len(last)-4):], "; "), "?"))
}
