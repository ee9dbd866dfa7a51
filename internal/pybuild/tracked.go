package pybuild

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/keep-it-simple/kis/internal/sdist"
)

// gitTimeout bounds what kis asks git about files: the answers are advice only.
const gitTimeout = 5 * time.Second

// notExported is the pathspec (gitglossary(7)) of files that .gitattributes exclude from archives.
const notExported = ":(exclude,attr:export-ignore)"

// tracked lists the files below a directory that git tracks, relative to it, as far as pathspecs allow.
// ok is false where there is no git.
func tracked(ctx context.Context, dir string, pathspecs ...string) (files []string, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, gitTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, "git", append([]string{"-C", dir, "ls-files", "-z", "--", "."}, pathspecs...)...).Output()
	if err != nil {
		return nil, false
	}
	return strings.FieldsFunc(string(out), func(r rune) bool { return r == 0 }), true
}

// omitted warns of files that git tracks and the archive lacks: data of a package that the backend was
// not told about is missing only when the first request needs it.
func (b *builder) omitted(ctx context.Context, a *sdist.Archive) string {
	files, _ := tracked(ctx, b.dir, notExported)
	var missing []string
	for _, file := range files {
		_, there := a.Find(file)
		info, err := os.Lstat(filepath.Join(b.dir, file))
		if !there && err == nil && !info.IsDir() && isExpected(file) && path.Base(file) != filepath.Base(b.exclude) {
			missing = append(missing, file)
		}
	}
	if len(missing) == 0 || len(missing) == len(files) { // git tracks another layout than the archive has
		return ""
	}
	const shown = 3
	text := strings.Join(missing[:min(len(missing), shown)], ", ")
	if more := len(missing) - shown; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return "tracked by git, but not in the archive: " + text + ". " + b.remedy(missing)
}

// isExpected reports whether a tracked file usually belongs into a source distribution: not the
// project's own tools, documents and tests.
func isExpected(file string) bool {
	top, below, nested := strings.Cut(file, "/")
	if slices.ContainsFunc(strings.Split(file, "/"), func(part string) bool { return strings.HasPrefix(part, ".") }) {
		return false
	}
	if nested {
		return !slices.Contains([]string{"test", "tests", "doc", "docs", "ci", "scripts", "vendor"}, top) && below != ""
	}
	base := strings.ToLower(top)
	return !slices.Contains([]string{"makefile", "dockerfile", "tox.ini", "noxfile.py", "manifest.in", "justfile", "uv.lock", "poetry.lock", "pdm.lock", "conftest.py"}, base) &&
		!slices.Contains([]string{".md", ".rst", ".yaml", ".yml", ".txt", ".lock"}, path.Ext(base))
}

// leftOut is how a project declares that files are left out on purpose.
const leftOut = "; or declare them export-ignore in .gitattributes"

// remedy says how the project's backend is told to include files.
func (b *builder) remedy(missing []string) string {
	text, _ := os.ReadFile(filepath.Join(b.dir, "pyproject.toml")) // without one, setuptools builds
	for backend, remedy := range map[string]string{
		"hatchling":   "add them to [tool.hatch.build.targets.sdist] include in pyproject.toml",
		"flit_core":   "add them to [tool.flit.sdist] include in pyproject.toml",
		"poetry.core": "add them to [tool.poetry] include in pyproject.toml",
		"pdm.backend": "add them to [tool.pdm.build] includes in pyproject.toml",
		"uv_build":    "add them to [tool.uv.build-backend] source-include in pyproject.toml",
	} {
		if strings.Contains(string(text), backend) {
			return "A" + remedy[1:] + leftOut
		}
	}
	var lines []string
	for _, file := range missing {
		line := "include " + file
		if top, _, nested := strings.Cut(file, "/"); nested {
			line = "graft " + top
		}
		if !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return "Add to MANIFEST.in: " + strings.Join(lines, "; ") + leftOut
}

// hasUntracked reports whether the archive holds a file of the project that git does not track, so
// that no commit says what was built. Files that every build writes do not count.
func hasUntracked(ctx context.Context, dir string, a *sdist.Archive) bool {
	files, ok := tracked(ctx, dir)
	if !ok {
		return false
	}
	known := map[string]bool{}
	for _, file := range files {
		known[file] = true
	}
	for file := range a.Paths() {
		generated := path.Base(file) == "_version.py" || path.Base(file) == "PKG-INFO" || strings.Contains(file, ".egg-info/") || file == "setup.cfg"
		if known[file] || generated {
			continue
		}
		if info, err := os.Lstat(filepath.Join(dir, file)); err == nil && !info.IsDir() {
			return true
		}
	}
	return false
}
