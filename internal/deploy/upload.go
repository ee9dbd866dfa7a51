package deploy

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/pkg/sftp"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/guard"
	"github.com/keep-it-simple/kis/internal/requirements"
	"github.com/keep-it-simple/kis/sshx"
	"github.com/keep-it-simple/kis/transfer"
)

// upload is one file that one host needs.
type upload struct {
	sha256 string
	size   int64
	open   func() (io.ReadCloser, error)
}

func inMemory(sha256 string, data []byte) upload {
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
	return upload{sha256, int64(len(data)), open}
}

func onDisk(f requirements.Local) upload {
	return upload{f.SHA256, f.Size, func() (io.ReadCloser, error) { return os.Open(f.Path) }}
}

// upload sends the files that the host lacks. The host compares each with its digest.
func (h *host) upload(ctx context.Context, s event.Step, all []upload) error {
	missing, err := h.lacking(ctx, all)
	if err != nil {
		return err
	}
	return h.sendAll(ctx, s, missing)
}

// lacking are those of the files that the host does not have, each once. A host reads a file to know that it has it, so
// it is asked about none twice in a run.
func (h *host) lacking(ctx context.Context, all []upload) ([]upload, error) {
	var unknown []string
	for _, u := range all {
		if !h.has[u.sha256] {
			unknown = append(unknown, u.sha256)
		}
	}
	if h.has == nil {
		h.has = map[string]bool{}
	}
	if len(unknown) > 0 {
		have, err := h.session.Have(ctx, unknown)
		if err != nil {
			return nil, err
		}
		maps.Copy(h.has, have)
	}
	var missing []upload
	for _, u := range all {
		if !h.has[u.sha256] && !slices.ContainsFunc(missing, func(m upload) bool { return m.sha256 == u.sha256 }) {
			missing = append(missing, u)
		}
	}
	return missing, nil
}

func (h *host) sendAll(ctx context.Context, s event.Step, missing []upload) error {
	out := h.newSender(s, missing)
	defer out.close()
	for _, u := range missing {
		if err := out.send(ctx, u); err != nil {
			return err
		}
	}
	return nil
}

// sender sends files to one host.
type sender struct {
	h             *host
	step          event.Step
	before, total int64     // bytes of the files that are sent, and of all
	shown         time.Time // when progress was shown last
	sftp          *sftp.Client
}

// newSender is for these files, whose sizes progress is shown of. The caller closes it.
func (h *host) newSender(s event.Step, files []upload) *sender {
	out := &sender{h: h, step: s}
	for _, u := range files {
		out.total += u.size
	}
	return out
}

func (s *sender) close() {
	if s.sftp != nil {
		_ = s.sftp.Close() // the upload's own error counts; the host has compared the files' digests
		s.sftp = nil
	}
}

func (s *sender) send(ctx context.Context, u upload) error {
	part, err := s.write(ctx, u)
	if err != nil {
		return err
	}
	if err := s.h.session.Receive(ctx, part, u.sha256, u.size); err != nil {
		return err
	}
	s.before += u.size
	return nil
}

// progress turns the bytes of each file into events, four a second at most.
func (s *sender) progress(now int64) {
	at := time.Now()
	if at.Sub(s.shown) < time.Second/4 && s.before+now < s.total {
		return
	}
	s.shown = at
	s.h.log.Progress(s.step, s.before+now, s.total)
}

// write writes one file to the run's directory, under the name that it returns: by SFTP, or over the
// agent where that fails or where the directory is another user's.
func (s *sender) write(ctx context.Context, u upload) (part string, err error) {
	h := s.h
	if h.Become.IsZero() && !h.noSFTP {
		part, err = s.writeSFTP(ctx, u)
		if err == nil || ctx.Err() != nil || !declined(err) {
			return part, err
		}
		// An SFTP server may be missing, read-only or confined to another directory, and it reports
		// any reason as "Failure". The agent of the same user may succeed, or else reports the
		// reason.
		h.noSFTP = true
		h.log.Notice("SFTP failed, uploading over the agent: " + strings.TrimPrefix(err.Error(), h.Name+": "))
	}
	return s.put(ctx, u, h.session.Put)
}

// writeSFTP writes by SFTP. A server may have closed a session in which nothing was sent for a while: then it opens
// another one.
func (s *sender) writeSFTP(ctx context.Context, u upload) (part string, err error) {
	isNew := false
	part, err = s.put(ctx, u, func(ctx context.Context, part string, source io.Reader, size int64, progress func(int64)) (err error) {
		if isNew = s.sftp == nil; isNew {
			if s.sftp, err = s.openSFTP(ctx); err != nil {
				return err
			}
		}
		return transfer.Put(ctx, s.sftp, source, size, path.Join(s.h.locked.Directory, part), transfer.Options{Progress: progress})
	})
	failed, some := errors.AsType[*transfer.Error](err)
	if isNew || !some || failed.Kind != transfer.Lost || ctx.Err() != nil {
		return part, err
	}
	s.close()
	return s.writeSFTP(ctx, u)
}

// openSFTP waits less long than for a command: a login script that reads its input prevents SFTP from starting, and the
// agent has started already.
func (s *sender) openSFTP(ctx context.Context) (*sftp.Client, error) {
	opening, cancel := within(ctx, s.h.run.timeouts().SFTP)
	defer cancel()
	return s.h.session.SFTP(opening)
}

// put sends a file under a new name.
func (s *sender) put(ctx context.Context, u upload, send func(context.Context, string, io.Reader, int64, func(int64)) error) (part string, err error) {
	part = strings.ToLower(rand.Text()) // a name that was never used before
	source, err := u.open()
	if err != nil {
		return "", &transfer.Error{Path: part, Step: "read", Kind: transfer.Source, Err: err}
	}
	defer source.Close() //nolint:errcheck // only read
	begun := time.Now()  // a file of another host is here now
	if err := send(ctx, part, source, u.size, s.progress); err != nil {
		return "", err
	}
	s.h.measure(u.size, time.Since(begun))
	return part, nil
}

// declined reports whether SFTP did not start or the host refused the file; not if the connection
// or the source failed.
func declined(err error) bool {
	if _, panicked := errors.AsType[*guard.Panic](err); panicked {
		return false
	}
	if failed, ok := errors.AsType[*transfer.Error](err); ok {
		return failed.Refused()
	}
	return !errors.Is(err, sshx.ErrConnectionLost)
}
