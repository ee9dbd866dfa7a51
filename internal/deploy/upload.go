package deploy

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"path"
	"strings"
	"time"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/guard"
	"github.com/keep-it-simple/kis/sshx"
	"github.com/keep-it-simple/kis/transfer"
)

// upload is one file that one host needs.
type upload struct {
	sha256 string
	size   int64
	open   func() (io.ReadCloser, error)
}

// uploads are the files that a host needs to make wheels.
func (r Recipe) uploads() []upload {
	var all []upload
	for _, f := range r.files {
		all = append(all, upload{sha256: f.sha256, size: f.size, open: f.open})
	}
	return all
}

// upload sends the files that the host lacks. The host compares each with its digest.
func (h *host) upload(ctx context.Context, s event.Step, all []upload) error {
	digests := make([]string, len(all))
	for i, u := range all {
		digests[i] = u.sha256
	}
	have, err := h.session.Have(ctx, digests)
	if err != nil {
		return err
	}
	var missing []upload
	total := int64(0)
	for _, u := range all {
		if !have[u.sha256] {
			missing, total = append(missing, u), total+u.size
			have[u.sha256] = true
		}
	}
	return h.sendAll(ctx, missing, h.progress(s, total))
}

// progress turns the bytes of each file into events, four a second at most.
func (h *host) progress(s event.Step, total int64) func(before, now int64) {
	var last time.Time
	return func(before, now int64) {
		at := time.Now()
		if at.Sub(last) < time.Second/4 && before+now < total {
			return
		}
		last = at
		h.log.Progress(s, before+now, total)
	}
}

func (h *host) sendAll(ctx context.Context, missing []upload, progress func(before, now int64)) error {
	before := int64(0)
	for _, u := range missing {
		part, err := h.send(ctx, u, func(now int64) { progress(before, now) })
		if err != nil {
			return err
		}
		if err := h.session.Receive(ctx, part, u.sha256, u.size); err != nil {
			return err
		}
		before += u.size
	}
	return nil
}

// send writes one file to the run's directory, under the name that it returns: by SFTP, or over the
// agent where that fails or where the directory is another user's.
func (h *host) send(ctx context.Context, u upload, progress func(int64)) (part string, err error) {
	if h.Become.IsZero() && !h.noSFTP {
		part, err = h.sendSFTP(ctx, u, progress)
		if err == nil || ctx.Err() != nil || !declined(err) {
			return part, err
		}
		// An SFTP server may be missing, read-only or confined to another directory, and it reports
		// any reason as "Failure". The agent of the same user may succeed, or else reports the
		// reason.
		h.noSFTP = true
		h.log.Notice("SFTP failed, uploading over the agent: " + strings.TrimPrefix(err.Error(), h.Name+": "))
	}
	return h.put(ctx, u, h.session.Put, progress)
}

// sendSFTP sends by SFTP.
func (h *host) sendSFTP(ctx context.Context, u upload, progress func(int64)) (part string, err error) {
	// A login script that reads its input prevents SFTP from starting, and is no reason to wait:
	// the agent has started already.
	opening, cancel := within(ctx, h.run.timeouts().SFTP)
	client, err := h.session.SFTP(opening)
	cancel()
	if err != nil {
		return "", err
	}
	defer client.Close() //nolint:errcheck // the upload's own error counts; the host checks the file's digest
	return h.put(ctx, u, func(ctx context.Context, part string, source io.Reader, size int64, progress func(int64)) error {
		return transfer.Put(ctx, client, source, size, path.Join(h.locked.Directory, part), transfer.Options{Progress: progress})
	}, progress)
}

// put sends a file under a new name.
func (h *host) put(
	ctx context.Context, u upload, send func(context.Context, string, io.Reader, int64, func(int64)) error, progress func(int64),
) (part string, err error) {
	part = strings.ToLower(rand.Text()) // a name that was never used before
	source, err := u.open()
	if err != nil {
		return "", &transfer.Error{Path: part, Step: "read", Kind: transfer.Source, Err: err}
	}
	defer source.Close() //nolint:errcheck // only read
	return part, send(ctx, part, source, u.size, progress)
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
