package requirements

import (
	"cmp"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// uvLock is what kis reads of a uv.lock itself.
type uvLock struct {
	path           string
	RequiresPython string      `toml:"requires-python"`
	Supported      []string    `toml:"supported-markers"` // tool.uv.environments: one of them is true where it was locked for
	Packages       []uvPackage `toml:"package"`
}

// uvPackage is one package of a lock file. A name may have several, for different environments.
type uvPackage struct {
	line   int
	Name   string `toml:"name"`
	Source struct {
		Registry  string `toml:"registry"`
		Editable  string `toml:"editable"`
		Virtual   string `toml:"virtual"`
		Directory string `toml:"directory"`
	} `toml:"source"`
}

func parseUVLock(path, text string) (*uvLock, error) {
	lock := &uvLock{path: path}
	if _, err := toml.Decode(text, lock); err != nil {
		return nil, err
	}
	lines := tableLines(text, "package")
	for i := range min(len(lines), len(lock.Packages)) {
		lock.Packages[i].line = lines[i]
	}
	return lock, nil
}

// place of a package in its lock file.
func (l *uvLock) place(p uvPackage) place { return place{l.path, p.line} }

// directoryLine matches the lines of an export that name a directory.
var directoryLine = regexp.MustCompile(`^(?:-e |--editable )?(\.[^ ]*)(?: ;|$)`)

// refuseDirectory refuses a line of the export that names a directory of this machine, by its package: a member of the
// workspace, or a source.
func (r *reader) refuseDirectory(lock *uvLock, line string) bool {
	found := directoryLine.FindStringSubmatch(line)
	if found == nil {
		return false
	}
	at := slices.IndexFunc(lock.Packages, func(p uvPackage) bool {
		return filepath.Clean(cmp.Or(p.Source.Editable, p.Source.Directory, p.Source.Virtual, "none")) == filepath.Clean(found[1])
	})
	if at < 0 {
		return false
	}
	p := lock.Packages[at]
	r.fail(lock.place(p), p.Name, "is a directory of this machine (%s), which hosts do not have; build its wheel, and name that in an exported file: uv build --wheel -o vendor %s; "+
		"uv export --frozen --no-dev --no-emit-project --no-emit-package %s -o requirements.txt; ls ./vendor/*.whl >>requirements.txt", found[1], found[1], p.Name)
	return true
}

// pypi is the index of uv and pip where none is configured.
const pypi = "https://pypi.org/simple"

// checkIndexes compares where uv found the packages with where hosts look for them: the export does not say. Their hashes
// keep packages of other indexes out. One without is refused: another index may have another package of that name.
func (r *reader) checkIndexes(lock *uvLock) {
	if r.options.Wheels {
		return
	}
	var indexes []string
	for _, p := range lock.Packages {
		index := strings.TrimRight(withoutCredentials(p.Source.Registry), "/")
		at := slices.IndexFunc(r.requirements, func(e entry) bool { return e.req.url == "" && canonical(e.req.name) == canonical(p.Name) })
		if index == "" || index == pypi || at < 0 || r.hasIndex(index) {
			continue
		}
		switch s := scheme(index); {
		case s != "http" && s != "https":
			r.fail(lock.place(p), p.Name, "comes from %s, a directory of this machine, which hosts do not have; name a directory of all wheels in install.wheels of the inventory", index)
		case !r.requirements[at].hashes:
			r.fail(lock.place(p), p.Name, "comes from %s, which has no hashes, and hosts may find another package of that name; name that index in install.index_url or install.extra_index_urls", index)
		case !slices.Contains(indexes, index):
			indexes = append(indexes, index)
		}
	}
	for _, index := range indexes {
		r.notice("uv.lock has packages of %s: hosts need that index in install.index_url, install.extra_index_urls, or their own pip configuration", shorten(index))
	}
}

// hasIndex reports whether hosts are told of an index.
func (r *reader) hasIndex(index string) bool {
	return slices.ContainsFunc(r.options.Indexes, func(known string) bool { return strings.TrimRight(withoutCredentials(known), "/") == index })
}
