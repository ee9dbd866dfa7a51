package sshtest

import (
	"errors"
	"io"
	"os/exec"
	"strings"
	"sync"
	"syscall"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"

	"github.com/keep-it-simple/kis/internal/guard"
)

// session serves one session channel: one command or one subsystem.
func (h *Host) session(ch ssh.Channel, requests <-chan *ssh.Request) {
	var owned guard.Group
	defer owned.Wait()
	gone := make(chan struct{})
	defer close(gone)
	for r := range requests {
		var payload struct{ Value string }
		if r.Type == "exec" || r.Type == "subsystem" {
			if ssh.Unmarshal(r.Payload, &payload) != nil {
				_ = r.Reply(false, nil)
				continue
			}
		}
		h.record.add(func(rec *Record) {
			rec.Requests = append(rec.Requests, r.Type)
			if r.Type == "exec" {
				rec.Execs = append(rec.Execs, payload.Value)
			}
		})
		f := h.options.Faults
		switch {
		case r.Type == "exec" && f.SilentExec:
		case r.Type == "exec":
			_ = r.Reply(true, nil)
			owned.Go(func() { h.exec(ch, payload.Value, gone) }, h.crashed)
		case r.Type == "subsystem" && payload.Value == "sftp" && !f.RefuseSubsystem:
			_ = r.Reply(true, nil)
			owned.Go(func() { h.sftp(ch) }, h.crashed)
		case r.WantReply:
			_ = r.Reply(false, nil)
		}
	}
}

// exec runs a command as sshd does without a terminal: when the client goes
// away (gone) the command sees end of file and SIGPIPE, and is not killed.
func (h *Host) exec(ch ssh.Channel, command string, gone <-chan struct{}) {
	defer func() { _ = ch.Close() }()
	cmd := exec.Command("/bin/sh", "-c", command) //nolint:noctx // it outlives its connection, as under sshd; Close kills it
	cmd.Dir, cmd.Env = h.options.Home, h.environment()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdin, err1 := cmd.StdinPipe()
	stdout, err2 := cmd.StdoutPipe()
	stderr, err3 := cmd.StderrPipe()
	if err := errors.Join(err1, err2, err3); err != nil || !h.startProcess(cmd) {
		_, _ = ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{127}))
		return
	}
	closePipes := sync.OnceFunc(func() {
		for _, pipe := range []io.Closer{stdin, stdout, stderr} {
			_ = pipe.Close()
		}
	})
	var out, in guard.Group
	in.Go(func() {
		<-gone
		closePipes()
	}, h.crashed)
	in.Go(func() {
		_, _ = io.Copy(stdin, ch)
		_ = stdin.Close()
	}, h.crashed)
	out.Go(func() { _, _ = io.Copy(ch, stdout) }, h.crashed)
	out.Go(func() { _, _ = io.Copy(ch.Stderr(), stderr) }, h.crashed)
	// sshd, too, ends a session when its output has ended, not when the command has.
	out.Wait()
	err := cmd.Wait()
	h.forget(cmd.Process.Pid)
	if !h.options.Faults.NoExitStatus {
		sendExit(ch, err)
	}
	_ = ch.Close()
	in.Wait()
}

// sendExit reports how a command ended, RFC 4254 6.10.
func sendExit(ch ssh.Channel, err error) {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			_, _ = ch.SendRequest("exit-signal", false, ssh.Marshal(struct {
				Signal     string
				CoreDumped bool
				Error      string
				Lang       string
			}{Signal: strings.TrimPrefix(unix.SignalName(status.Signal()), "SIG")}))
			return
		}
	}
	status := uint32(0)
	if err != nil {
		status = 255
	}
	if exit != nil && exit.ExitCode() >= 0 {
		status = uint32(exit.ExitCode())
	}
	_, _ = ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{status}))
}

func (h *Host) environment() []string {
	if h.options.Env != nil {
		return h.options.Env
	}
	return []string{"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=" + h.options.Home}
}

// startProcess starts cmd unless the host is closing, and remembers its group.
func (h *Host) startProcess(cmd *exec.Cmd) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || cmd.Start() != nil {
		return false
	}
	h.groups[cmd.Process.Pid] = struct{}{}
	return true
}

// forget drops a group that has no members left; background jobs keep it.
func (h *Host) forget(group int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if errors.Is(syscall.Kill(-group, 0), syscall.ESRCH) {
		delete(h.groups, group)
	}
}

func (h *Host) killAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for group := range h.groups {
		_ = syscall.Kill(-group, syscall.SIGKILL)
	}
}

func (h *Host) sftp(ch ssh.Channel) {
	defer func() { _ = ch.Close() }()
	f := h.options.Faults
	if f.NoiseBeforeSFTP != "" {
		_, _ = io.WriteString(ch, f.NoiseBeforeSFTP)
	}
	if f.SilentSFTP {
		_, _ = io.Copy(io.Discard, ch)
		return
	}
	server, err := sftp.NewServer(ch, sftp.WithServerWorkingDirectory(h.options.Home))
	if err != nil {
		return
	}
	_ = server.Serve()
	_ = server.Close()
	_, _ = ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{0}))
}
