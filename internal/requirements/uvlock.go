package requirements

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// uvLock reads uv.lock through `uv export`: its format is uv's own.
func (r *reader) uvLock(ctx context.Context, path string) {
	p := place{file: path}
	if _, err := os.Stat(path); err != nil {
		r.fail(p, "", "cannot be read: %s", err)
		return
	}
	uv, err := exec.LookPath("uv")
	if err != nil {
		r.fail(p, "", "is read with uv, which this machine does not have; install uv, or write a file once: uv export --frozen --no-dev -o requirements.txt")
		return
	}
	args := []string{
		"export", "--frozen", "--no-emit-project", "--no-dev", "--no-header", "--format", "requirements-txt",
		"--directory", filepath.Dir(path),
	}
	for _, extra := range r.options.Extras {
		args = append(args, "--extra", extra)
	}
	cmd := exec.CommandContext(ctx, uv, args...)
	cmd.Env = append(os.Environ(), "UV_NO_PROGRESS=1", "NO_COLOR=1", "UV_PYTHON_DOWNLOADS=never")
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
	f := &file{reader: r, path: path}
	for _, l := range logicalLines(stdout.String()) {
		f.line(place{path + " (uv export)", l.line}, l.text)
	}
}
