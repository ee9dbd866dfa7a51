package pybuild

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/keep-it-simple/kis/internal/sdist"
)

// notExported is the pathspec (gitglossary(7)) of files that .gitattributes exclude from archives.
const notExported = ":(exclude,attr:export-ignore)"

// omitted warns of files that git tracks and the archive lacks: data of a package that the backend was
// not told about is missing only when the first request needs it.
func (b *builder) omitted(ctx context.Context, a *sdist.Archive) string {
	files, _ := tracked(ctx, b.dir, notExported)
	var missing []string
	for _, file := range files {
		_, there := a.Find(file)
		info, err := os.Lstat(filepath.Join(b.dir, file))
		if !there && err == nil && !b.isDirectory(file, info) && b.isExpected(file) && path.Base(file) != filepath.Base(b.exclude) {
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
func (b *builder) isExpected(file string) bool {
	top, _, nested := strings.Cut(file, "/")
	for part := range strings.SplitSeq(file, "/") {
		if strings.HasPrefix(part, ".") || nested && slices.Contains([]string{"test", "tests", "testing"}, strings.ToLower(part)) {
			return false
		}
	}
	if nested {
		return !b.isAside(top)
	}
	base := strings.ToLower(top)
	return !slices.Contains(strings.Fields(asideFiles), base) && !slices.Contains(strings.Fields(".md .rst .yaml .yml .txt .lock .cff"), path.Ext(base))
}

// isAside reports whether a directory at the top is for those who work on the project. A package may have the same name.
func (b *builder) isAside(top string) bool {
	switch {
	case slices.Contains([]string{"doc", "docs", "ci", "scripts", "vendor"}, top):
		return true
	case !slices.Contains(strings.Fields(asideDirectories), strings.ToLower(top)):
		return false
	}
	is, err := isFile(filepath.Join(b.dir, top, "__init__.py"))
	return !is || err != nil
}

// What projects keep at the top for those who work on them.
const (
	asideDirectories = "bench benches benchmark benchmarks changelog.d changes docker example examples fuzz hacking news newsfragments perf profiling samples tools"
	asideFiles       = "asv.conf.json authors changelog changes codeowners conftest.py containerfile contributors copying dockerfile jenkinsfile justfile" +
		" makefile manifest.in mypy.ini news noxfile.py osv-scanner.toml pdm.lock pipfile poetry.lock pytest.ini renovate.json ruff.toml towncrier.toml tox.ini uv.lock vagrantfile"
)

// leftOut is how a project declares that files are left out on purpose.
const leftOut = "; or declare them export-ignore in .gitattributes"

// remedy says how the project's backend is told to include files.
func (b *builder) remedy(missing []string) string {
	var project struct {
		Build struct {
			Backend string `toml:"build-backend"`
		} `toml:"build-system"`
	}
	_, _ = toml.DecodeFile(filepath.Join(b.dir, "pyproject.toml"), &project) // without one, setuptools builds
	backend, _, _ := strings.Cut(project.Build.Backend, ".")
	where, known := map[string]string{
		"hatchling":         "[tool.hatch.build.targets.sdist] include",
		"flit_core":         "[tool.flit.sdist] include",
		"poetry":            "[tool.poetry] include",
		"pdm":               "[tool.pdm.build] includes",
		"uv_build":          "[tool.uv.build-backend] source-include",
		"maturin":           "[tool.maturin] include",
		"scikit_build_core": "[tool.scikit-build] sdist.include",
	}[backend]
	switch {
	case known:
		return "Add them to " + where + " in pyproject.toml" + leftOut
	case backend == "setuptools", backend == "":
		return "Add to MANIFEST.in: " + strings.Join(manifestLines(missing), "; ") + leftOut
	}
	return "Tell the build backend to include them" + leftOut
}

// fewFiles is how many files a remedy names one by one.
const fewFiles = 3

// manifestLines are commands of MANIFEST.in that include the files, and as little besides as can be said in
// few words: a whole directory has what Python has compiled, and what a user has put there.
func manifestLines(missing []string) []string {
	var lines []string
	for _, file := range missing {
		top, _, nested := strings.Cut(file, "/")
		line := "include " + file
		if extension := path.Ext(file); nested && extension != "" && len(missing) > fewFiles {
			line = "recursive-include " + top + " *" + extension
		}
		if !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return lines
}

// isDirectory reports whether a tracked file is a directory, such as a submodule, or a link to one, which
// backends follow or leave out.
func (b *builder) isDirectory(file string, info fs.FileInfo) bool {
	if info.Mode()&fs.ModeSymlink != 0 {
		if there, err := os.Stat(filepath.Join(b.dir, file)); err == nil {
			info = there
		}
	}
	return info.IsDir()
}

// hasUntracked reports whether the archive holds a file of the project that git does not track, so
// that no commit says what was built. Files that every build writes do not count.
func hasUntracked(ctx context.Context, dir string, a *sdist.Archive) bool {
	files, ok := tracked(ctx, dir)
	if !ok {
		return false
	}
	p := trackedProject{dir: dir, version: a.Version, known: map[string]bool{}, cython: map[string]bool{}}
	for _, file := range files {
		p.known[file] = true
		if path.Ext(file) == ".pyx" {
			p.cython[path.Dir(file)] = true
		}
	}
	for file := range a.Paths() {
		if p.known[file] || p.isGenerated(file) {
			continue
		}
		if info, err := os.Lstat(filepath.Join(dir, file)); err == nil && !info.IsDir() && !p.isLinked(file) {
			return true
		}
	}
	return false
}

// trackedProject is what git tracks of a project.
type trackedProject struct {
	dir, version string
	known        map[string]bool // its files
	cython       map[string]bool // the directories with Cython modules
}

// isGenerated reports whether a file is one that builds write into the project: metadata, a module that states
// the version, C code made by Cython, the lists that pbr makes of the history.
func (p trackedProject) isGenerated(file string) bool {
	base := path.Base(file)
	switch {
	case base == "_version.py", base == "PKG-INFO", strings.Contains(file, ".egg-info/"):
		return true
	case file == "setup.cfg", file == "AUTHORS", file == "ChangeLog":
		return true
	case slices.Contains([]string{".c", ".cpp", ".h"}, path.Ext(base)):
		return p.cython[path.Dir(file)]
	case path.Ext(base) == ".py" && strings.Contains(base, "version"):
		text, err := os.ReadFile(filepath.Join(p.dir, file))
		return err == nil && states(text, p.version)
	}
	return false
}

// isLinked reports whether a file is tracked by another name: that of a directory is a symbolic link.
func (p trackedProject) isLinked(file string) bool {
	top, err := filepath.EvalSymlinks(p.dir)
	if err != nil {
		return false
	}
	real, err := filepath.EvalSymlinks(filepath.Join(top, filepath.Dir(file)))
	if err != nil {
		return false
	}
	below, err := filepath.Rel(top, filepath.Join(real, filepath.Base(file)))
	return err == nil && p.known[filepath.ToSlash(below)]
}
