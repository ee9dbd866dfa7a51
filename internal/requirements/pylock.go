package requirements

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

var pylockName = regexp.MustCompile(`^pylock(?:\.[^.]+)?\.toml$`)

// isPylock reports the names of lock files of PEP 751.
func isPylock(name string) bool { return pylockName.MatchString(name) }

// lockFile is a pylock.toml as PEP 751 defines it, without what installing does not need:
// created-by, the names of groups, dependencies, index, commits, sizes, upload times,
// attestation-identities, tool.
type lockFile struct {
	Version        string        `toml:"lock-version"`
	Environments   []string      `toml:"environments"`
	RequiresPython string        `toml:"requires-python"`
	Extras         []string      `toml:"extras"`
	DefaultGroups  []string      `toml:"default-groups"`
	Packages       []lockPackage `toml:"packages"`
}

type lockPackage struct {
	Name      string       `toml:"name"`
	Version   string       `toml:"version"`
	Marker    string       `toml:"marker"`
	VCS       *lockSource  `toml:"vcs"`
	Directory *lockSource  `toml:"directory"`
	Archive   *lockSource  `toml:"archive"`
	Sdist     *lockSource  `toml:"sdist"`
	Wheels    []lockSource `toml:"wheels"`
}

// lockSource is where a package comes from. Each kind has some of the keys.
type lockSource struct {
	Name         string            `toml:"name"`
	URL          string            `toml:"url"`
	Path         string            `toml:"path"`
	Subdirectory string            `toml:"subdirectory"`
	Hashes       map[string]string `toml:"hashes"`
}

// pylock reads a lock file of PEP 751 and makes a requirement with hashes of each package. Markers
// that concern the hosts are left to them, those of extras and groups are decided here.
func (r *reader) pylock(name string) {
	p := place{file: name}
	data, err := r.read(name)
	if err != nil {
		r.fail(p, "", "%s", err)
		return
	}
	var lock lockFile
	keys, err := toml.Decode(string(data), &lock)
	if err != nil {
		if parse, ok := errors.AsType[toml.ParseError](err); ok {
			r.fail(place{name, parse.Position.Line}, "", "is not TOML: %s", parse.Message)
			return
		}
		r.fail(p, "", "is not a lock file: %s", err)
		return
	}
	major, minor, _ := strings.Cut(lock.Version, ".")
	switch {
	case lock.Version == "":
		r.fail(p, "", "has no lock-version; it is not a lock file of PEP 751")
		return
	case major != "1":
		r.fail(p, "", "has lock-version %s; kis reads version 1", lock.Version)
		return
	case minor != "0":
		r.notice("%s has lock-version %s; kis reads 1.0 and leaves out what it does not know", name, lock.Version)
	}
	r.requiresPython, r.environments = lock.RequiresPython, lock.Environments
	l := &lockReader{reader: r, file: name, selected: selection{groups: lock.DefaultGroups}}
	l.selectExtras(lock.Extras, keys.IsDefined("extras"))
	lines := tableLines(string(data), "packages")
	for i, pkg := range lock.Packages {
		at := p
		if i < len(lines) {
			at.line = lines[i]
		}
		l.pkg(at, pkg)
	}
}

// selectExtras selects extras of the application. A file for one purpose does not say which extras
// it has.
func (l *lockReader) selectExtras(supported []string, said bool) {
	for _, extra := range normalized(l.options.Extras) {
		switch {
		case slices.Contains(normalized(supported), extra):
			l.selected.extras = append(l.selected.extras, extra)
		case said:
			l.fail(place{file: l.file}, "", "was made without the extra %s; make it again with it", extra)
		default:
			l.notice("%s does not say which extras it was made for: is %s among them?", l.file, extra)
		}
	}
}

// tableLines returns the lines at which the tables of an array begin, where it is written as tables.
func tableLines(text, array string) []int {
	var lines []int
	for i, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(strings.ReplaceAll(line, " ", ""), "[["+array+"]]") {
			lines = append(lines, i+1)
		}
	}
	return lines
}

type lockReader struct {
	*reader
	file     string
	selected selection
}

// pkg reads one package.
func (l *lockReader) pkg(p place, pkg lockPackage) {
	marker, wanted, err := l.marker(pkg.Marker)
	switch {
	case err != nil:
		l.fail(p, pkg.Name, "%s", err)
		return
	case namePattern.FindString(pkg.Name) != pkg.Name || pkg.Name == "":
		l.fail(p, pkg.Name, "is not the name of a project")
		return
	case !wanted:
		return
	}
	f := &file{reader: l.reader, path: l.file, base: filepath.Dir(l.file)}
	e := entry{place: p, req: requirement{name: pkg.Name, marker: marker}}
	switch sources := pkg.sources(); {
	case sources != 1:
		l.fail(p, pkg.Name, "has %d sources; PEP 751 wants one of wheels and sdist, archive, directory, vcs", sources)
	case l.isProject(pkg.Name):
		f.drop(entry{place: p, written: pkg.Name}, nil, marker)
	case pkg.VCS != nil:
		l.fail(p, pkg.Name, "comes from a repository, for which pip has no hashes; build a wheel of it, "+
			"or write a file without hashes (uv export --format requirements-txt --no-hashes)")
	case pkg.Directory != nil:
		l.directory(f, e, *pkg.Directory)
	case pkg.Archive != nil:
		l.archive(f, e, *pkg.Archive)
	default:
		l.files(f, e, pkg)
	}
}

func (p lockPackage) sources() int {
	n := 0
	for _, has := range []bool{p.VCS != nil, p.Directory != nil, p.Archive != nil, p.Sdist != nil || len(p.Wheels) > 0} {
		if has {
			n++
		}
	}
	return n
}

// marker decides what a marker says of extras and groups.
func (l *lockReader) marker(text string) (rest string, wanted bool, err error) {
	if text == "" {
		return "", true, nil
	}
	m, err := parseMarker(text)
	if err != nil {
		return "", false, err
	}
	m, wanted, err = m.resolve(l.selected)
	if m != nil {
		rest = m.String()
	}
	return rest, wanted, err
}

func (l *lockReader) directory(f *file, e entry, source lockSource) {
	shown := entry{place: e.place, written: fmt.Sprintf("%s (%s)", e.req.name, source.Path)}
	if l.isProjectDir(filepath.Join(f.absolute(source.Path), filepath.FromSlash(source.Subdirectory))) {
		f.drop(shown, nil, e.req.marker)
		return
	}
	l.fail(e.place, shown.written, directoryRemedy)
}

// archive reads a package that has one archive at a fixed place.
func (l *lockReader) archive(f *file, e entry, source lockSource) {
	hashes, err := hashOptions(source)
	switch {
	case err != nil:
		l.fail(e.place, e.req.name, "%s", err)
	case source.Path != "" && source.Subdirectory != "":
		l.fail(e.place, e.req.name, "is a part of an archive, which kis does not build; build a wheel of it")
	case source.Path != "":
		l.localArchive(f, e, source)
	case scheme(source.URL) != "https" && scheme(source.URL) != "http" || strings.ContainsFunc(source.URL, isSpace):
		l.fail(e.place, e.req.name, "has an archive without an http:// or https:// address")
	default:
		e.req.url = source.URL
		if source.Subdirectory != "" {
			e.req.url += "#subdirectory=" + source.Subdirectory
		}
		e.text = e.req.name + " @ " + e.req.url + withMarker(e.req.marker) + hashes
		l.addHashed(e)
	}
}

func (l *lockReader) localArchive(f *file, e entry, source lockSource) {
	sum := source.Hashes["sha256"]
	if sum == "" {
		l.fail(e.place, e.req.name, "has a file of this machine without a sha256")
		return
	}
	e.written = fmt.Sprintf("%s (%s)", e.req.name, source.Path)
	f.localPath(e, localRequirement{name: e.req.name, path: f.absolute(source.Path), marker: e.req.marker, hash: "sha256=" + sum})
	if n := len(l.requirements); n > 0 && l.requirements[n-1].place == e.place {
		l.requirements[n-1].text += " --hash=sha256:" + sum
		l.requirements[n-1].hashes = true
	}
}

// files reads a package that an index has: one version, and the hashes of its files.
func (l *lockReader) files(f *file, e entry, pkg lockPackage) {
	sources := pkg.Wheels
	if pkg.Sdist != nil {
		sources = append(slices.Clone(sources), *pkg.Sdist)
	}
	var hashes []string
	for _, source := range sources {
		if source.URL == "" && source.Path != "" {
			if len(sources) > 1 {
				l.fail(e.place, pkg.Name, "has several files, some of them of this machine; put those into install.wheels of the inventory, or lock one of them")
				return
			}
			l.localArchive(f, e, source)
			return
		}
		hash, err := hashOptions(source)
		if err != nil {
			l.fail(e.place, pkg.Name, "%s", err)
			return
		}
		hashes = append(hashes, hash)
	}
	slices.Sort(hashes)
	version, err := pkg.version(sources)
	if err != nil {
		l.fail(e.place, pkg.Name, "%s", err)
		return
	}
	e.req.specifier = "==" + version
	e.text = pkg.Name + e.req.specifier + withMarker(e.req.marker) + strings.Join(slices.Compact(hashes), "")
	l.addHashed(e)
}

func (l *lockReader) addHashed(e entry) {
	if !readable(e.text) {
		l.fail(e.place, e.req.name, "has characters with a meaning in requirements files")
		return
	}
	e.hashes = true
	l.requirements = append(l.requirements, e)
}

// withMarker is a marker as it stands behind a requirement.
func withMarker(marker string) string {
	if marker == "" {
		return ""
	}
	return " ; " + marker
}

// version returns the version of a package that an index has. PEP 751 lets the files say it.
func (p lockPackage) version(files []lockSource) (string, error) {
	version := p.Version
	if version == "" {
		version = fileVersion(files[0])
	}
	if !isSpecifier("=="+version) || strings.HasSuffix(version, "*") {
		return "", errors.New("has no version")
	}
	return version, nil
}

// fileVersion returns the version in the name of a wheel or source distribution.
func fileVersion(source lockSource) string {
	name := source.Name
	if u, err := url.Parse(source.URL); name == "" && err == nil {
		name = path.Base(u.Path)
	}
	parts := strings.Split(name, "-")
	if len(parts) < 2 {
		return ""
	}
	if strings.HasSuffix(name, ".whl") {
		return parts[1]
	}
	version := parts[len(parts)-1]
	for _, end := range archiveEnds() {
		version = strings.TrimSuffix(version, end)
	}
	return version
}

var hexadecimal = regexp.MustCompile(`^[0-9a-fA-F]+$`)

// hashOptions returns the hash of a file that pip reads.
func hashOptions(source lockSource) (string, error) {
	for _, algorithm := range []string{"sha256", "sha384", "sha512"} {
		if sum := source.Hashes[algorithm]; hexadecimal.MatchString(sum) {
			return fmt.Sprintf(" --hash=%s:%s", algorithm, strings.ToLower(sum)), nil
		}
	}
	return "", errors.New("has a file without a sha256, sha384 or sha512")
}
