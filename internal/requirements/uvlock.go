package requirements

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
)

// uvLock reads uv.lock through `uv export`: its format is uv's own.
func (r *reader) uvLock(ctx context.Context, path string) {
	p := place{file: path}
	data, err := r.read(path)
	if err != nil {
		r.fail(p, "", "%s", err)
		return
	}
	var lock struct {
		RequiresPython string `toml:"requires-python"`
	}
	if _, err := toml.Decode(string(data), &lock); err != nil {
		r.fail(p, "", "is not TOML: %s", err)
		return
	}
	r.requiresPython = lock.RequiresPython
	uv, err := exec.LookPath("uv")
	if err != nil {
		r.fail(p, "", "is read with uv, which this machine does not have; install uv, or write a file once: uv export --frozen --no-dev -o requirements.txt")
		return
	}
	r.exportUV(ctx, p, uv)
}

// exportUV reads the output of `uv export` for the application, which may be a member of a
// workspace. --frozen takes the lock file as it is. Paths are relative to that.
func (r *reader) exportUV(ctx context.Context, p place, uv string) {
	top := filepath.Dir(p.file)
	dir := top
	if member, err := filepath.Rel(top, r.options.Project); err == nil && filepath.IsLocal(member) {
		dir = r.options.Project
	}
	args := []string{
		"export", "--frozen", "--no-emit-project", "--no-dev", "--no-header", "--format", "requirements-txt",
		"--directory", dir,
	}
	for _, extra := range r.options.Extras {
		args = append(args, "--extra", extra)
	}
	cmd := exec.CommandContext(ctx, uv, args...)
	cmd.Env = append(os.Environ(), "UV_NO_PROGRESS=1", "NO_COLOR=1", "UV_PYTHON_DOWNLOADS=never")
	cmd.WaitDelay = time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		} else if _, failed := errors.AsType[*exec.ExitError](err); failed {
			err = errors.New(strings.Join(strings.Fields(stderr.String()), " "))
		}
		r.fail(p, "", "uv export: %s", withoutCredentials(err.Error()))
		return
	}
	f := &file{reader: r, path: p.file, base: top}
	for _, l := range logicalLines(stdout.String()) {
		f.line(place{p.file + " (uv export)", l.line}, l.text)
	}
}
