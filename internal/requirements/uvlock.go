package requirements

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
)

// uvLock reads uv.lock through `uv export`: its format is uv's own. Of the file itself it reads what the
// export does not have.
func (r *reader) uvLock(ctx context.Context, path string) {
	p := place{file: path}
	data, err := r.read(path)
	if err != nil {
		r.fail(p, "", "%s", err)
		return
	}
	lock, err := parseUVLock(path, string(data))
	if err != nil {
		r.fail(p, "", "is not TOML: %s", err)
		return
	}
	r.requiresPython, r.environments = lock.RequiresPython, lock.Supported
	uv, err := exec.LookPath("uv")
	if err != nil {
		r.fail(p, "", "is read with uv, which this machine does not have; install uv, or write a file once: uv export --frozen --no-dev -o requirements.txt")
		return
	}
	dir, ok := r.uvProject(lock)
	if !ok {
		r.fail(p, "", "does not lock the project in %s; name the uv.lock of that project", dir)
		return
	}
	r.exportUV(ctx, lock, uv, dir)
}

// uvProject is the directory that uv exports: that of the application, which may be a member of a workspace, or else that
// of the lock file. uv reads the lock file of its directory, which is another one where the project is no member.
func (r *reader) uvProject(lock *uvLock) (dir string, ok bool) {
	top := filepath.Dir(lock.path)
	dir = r.options.Project
	member, err := filepath.Rel(top, dir)
	if err != nil || !filepath.IsLocal(member) {
		return top, true // as for an archive that was built elsewhere
	}
	for member != "." && !isFile(filepath.Join(dir, "pyproject.toml")) { // as uv looks for its project
		dir, member = filepath.Dir(dir), filepath.Dir(member)
	}
	return dir, slices.ContainsFunc(lock.Packages, func(p uvPackage) bool {
		return filepath.Clean(cmp.Or(p.Source.Editable, p.Source.Virtual, "none")) == member
	})
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// exportUV reads the output of `uv export` for the project in a directory. --frozen takes the lock file as it is. Paths are
// relative to that.
func (r *reader) exportUV(ctx context.Context, lock *uvLock, uv, dir string) {
	p, top := place{file: lock.path}, filepath.Dir(lock.path)
	args := []string{
		"export", "--frozen", "--no-emit-project", r.withoutGroups(dir), "--no-header", "--format", "requirements-txt",
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
	f := &file{reader: r, path: lock.path, base: top}
	for _, l := range logicalLines(stdout.String()) {
		if !r.refuseDirectory(lock, l.text) {
			f.line(place{lock.path + " (uv export)", l.line}, l.text)
		}
	}
	r.checkIndexes(lock)
}

// withoutGroups is the option that leaves out the groups for developers, and says which others go with them.
func (r *reader) withoutGroups(dir string) string {
	var project struct {
		Tool struct {
			UV struct {
				DefaultGroups any `toml:"default-groups"`
			} `toml:"uv"`
		} `toml:"tool"`
	}
	if _, err := toml.DecodeFile(filepath.Join(dir, "pyproject.toml"), &project); err != nil {
		return "--no-dev" // uv reports what is wrong with it
	}
	others := []string{}
	switch groups := project.Tool.UV.DefaultGroups.(type) {
	case string:
		others = append(others, groups) // all
	case []any:
		for _, group := range groups {
			if name, ok := group.(string); ok && name != "dev" {
				others = append(others, name)
			}
		}
	}
	if len(others) == 0 {
		return "--no-dev"
	}
	slices.Sort(others)
	r.notice("tool.uv.default-groups are left out: %s; to install one, write a file once: uv export --frozen --no-default-groups --group %s -o requirements.txt",
		strings.Join(others, ", "), others[0])
	return "--no-default-groups"
}
