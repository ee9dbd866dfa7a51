package fleet

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"github.com/keep-it-simple/kis/internal/sdist"
	"github.com/keep-it-simple/kis/sshx"
	"github.com/keep-it-simple/kis/transfer"
)

// sftpWithin bounds the start of SFTP on a connection that works.
const sftpWithin = 10 * time.Second

// upload is one file on its way to one host.
type upload struct {
	sha256 string
	size   int64
	open   func() (io.ReadCloser, error)
}

// uploads are all files a host needs for a package.
func uploads(a *sdist.Archive, r Recipe) []upload {
	all := []upload{{sha256: a.SHA256, size: a.Size, open: func() (io.ReadCloser, error) { return io.NopCloser(a.Reader()), nil }}}
	for _, f := range r.files {
		all = append(all, upload{sha256: f.sha256, size: f.size, open: func() (io.ReadCloser, error) { return os.Open(f.path) }})
	}
	return all
}

// upload sends what the host does not have yet. What arrives is compared with its digest there.
func (m *member) upload(ctx context.Context) error {
	all := uploads(m.run.plan.Archive, m.run.plan.Recipe)
	digests := make([]string, len(all))
	for i, u := range all {
		digests[i] = u.sha256
	}
	have, err := m.conn.agent.Have(ctx, digests)
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
	return m.sendAll(ctx, missing, m.progress(total))
}

// progress turns the bytes of each file into events, four a second at most.
func (m *member) progress(total int64) func(before, now int64) {
	var last time.Time
	return func(before, now int64) {
		at := m.run.fleet.now()
		if at.Sub(last) < time.Second/4 && before+now < total {
			return
		}
		last = at
		m.run.emit(Event{Type: TypeProgress, Host: m.host.Name, Step: StepUpload, Done: before + now, Total: total})
	}
}

func (m *member) sendAll(ctx context.Context, missing []upload, progress func(before, now int64)) error {
	before := int64(0)
	for _, u := range missing {
		part, err := randomName()
		if err != nil {
			return err
		}
		if err := m.send(ctx, u, part, func(now int64) { progress(before, now) }); err != nil {
			return err
		}
		if err := m.conn.agent.Receive(ctx, part, u.sha256, u.size); err != nil {
			return err
		}
		before += u.size
	}
	return nil
}

// send brings one file into the run's folder: by SFTP, or over the agent where there is none or where the folder is another user's.
func (m *member) send(ctx context.Context, u upload, part string, progress func(int64)) error {
	source, err := u.open()
	if err != nil {
		return err
	}
	defer source.Close() //nolint:errcheck // only read
	if m.host.Become != "" {
		return m.conn.agent.Put(ctx, part, source, u.size, progress)
	}
	// A login script that reads what it is sent keeps SFTP from starting, and is no reason to wait: the agent is there already.
	opening, cancel := m.within(ctx, sftpWithin)
	client, err := m.conn.client.SFTP(opening)
	cancel()
	if err != nil {
		if ctx.Err() != nil || errors.Is(err, sshx.ErrConnectionLost) {
			return err
		}
		return m.sendOver(ctx, u, part, source, progress, err)
	}
	defer client.Close() //nolint:errcheck // the upload's own error counts; the host checks the file's digest
	err = transfer.Put(ctx, client, source, u.size, path.Join(m.locked.Folder, part), transfer.Options{Progress: progress})
	if elsewhere(err) {
		return m.sendOver(ctx, u, part, source, progress, err)
	}
	return err
}

// sendOver sends over the agent what could not go by SFTP, and says why. Nothing of source has been read.
func (m *member) sendOver(ctx context.Context, u upload, part string, source io.Reader, progress func(int64), why error) error {
	m.run.notice(m.host.Name, "no SFTP, uploading over the agent: "+strings.TrimPrefix(why.Error(), m.host.Name+": "))
	return m.conn.agent.Put(ctx, part, source, u.size, progress)
}

// elsewhere tells an SFTP that may not write where the agent of the same user just has, or does not see that folder: it is a read-only one, or
// shut up in a folder of its own.
func elsewhere(err error) bool {
	failed, ok := errors.AsType[*transfer.Error](err)
	return ok && failed.Step == "create" && (failed.Kind == transfer.Permission || errors.Is(err, fs.ErrNotExist))
}

// randomName is a name nobody can have laid something under before.
func randomName() (string, error) {
	name := make([]byte, 16)
	if _, err := rand.Read(name); err != nil {
		return "", fmt.Errorf("random numbers: %w", err)
	}
	return hex.EncodeToString(name), nil
}
