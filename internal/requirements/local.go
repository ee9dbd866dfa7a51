package requirements

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// archiveEnds are the ends of names that pip takes for archives.
func archiveEnds() []string {
	return []string{".whl", ".zip", ".tar.gz", ".tgz", ".tar", ".tar.bz2", ".tbz", ".tar.xz", ".txz", ".tlz", ".tar.lz", ".tar.lzma"}
}

func isArchive(name string) bool {
	return slices.ContainsFunc(archiveEnds(), func(end string) bool { return strings.HasSuffix(strings.ToLower(name), end) })
}

// requirement reads a requirement with its options behind it.
func (f *file) requirement(e entry, text, options string) {
	spec, marker := splitMarker(text)
	path, extras, err := splitExtras(spec)
	switch {
	case isURL(spec), isDirectReference(spec):
	case err != nil:
		f.fail(e.place, e.written, "%s", withoutValues(err, e.written, e.text))
		return
	case isPath(path):
		if marker != "" {
			if err := checkMarker(marker); err != nil {
				f.fail(e.place, e.written, "%s", withoutValues(err, e.written, e.text))
				return
			}
		}
		f.localPath(e, localRequirement{path: f.absolute(path), extras: extras, marker: marker, options: options})
		return
	}
	req, err := parseRequirement(text)
	if err != nil {
		f.fail(e.place, e.written, "%s", withoutValues(err, e.written, e.text))
		return
	}
	e.req = req
	switch {
	case f.isProject(req.name), req.name == "" && f.isProject(eggName(req.url)):
		f.drop(e, req.extras, req.marker)
	case req.url == "":
		f.add(e)
	default:
		f.direct(e, options)
	}
}

// isPath reports what pip takes for a path: a text with a slash or a leading dot, or the name of an
// archive.
func isPath(text string) bool {
	return strings.Contains(text, "/") || strings.HasPrefix(text, ".") || isArchive(text)
}

var directReference = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*[ \t]*(?:\[[^\]]*\][ \t]*)?@`)

// isDirectReference reports `name @ address`.
func isDirectReference(text string) bool { return directReference.MatchString(text) }

// absolute returns the path of a relative one.
func (f *file) absolute(path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(f.base, path)
}

// add adds a requirement, or a constraint.
func (f *file) add(e entry) {
	if f.constraint {
		f.addConstraint(e)
		return
	}
	f.requirements = append(f.requirements, e)
}

func (f *file) addConstraint(e entry) {
	if e.req.name == "" || len(e.req.extras) > 0 {
		f.fail(e.place, e.written, "is no constraint: pip wants a name without extras")
		return
	}
	if !slices.ContainsFunc(f.constraints, func(other entry) bool { return other.text == e.text }) {
		f.constraints = append(f.constraints, e)
	}
}

// localRequirement is a file or directory of this machine.
type localRequirement struct {
	name    string // as written; "" if only the path is given
	path    string
	extras  []string
	marker  string
	options string // behind it, as written
	hash    string // sha256=… that the file must have, from its URL
}

const directoryRemedy = "is a directory of this machine, which hosts do not have; build a wheel of it (pip wheel --no-deps -w vendor DIRECTORY) and name that file here"

// localPath reads a requirement that is a path.
func (f *file) localPath(e entry, l localRequirement) {
	info, err := os.Stat(l.path)
	switch {
	case err == nil && info.IsDir() && f.isProjectDir(l.path):
		if l.options != "" {
			f.fail(e.place, e.written, "gives options to the application, which kis installs; remove them")
			return
		}
		f.drop(e, l.extras, l.marker)
	case err == nil && info.IsDir():
		f.fail(e.place, e.written, directoryRemedy)
	case err != nil || !info.Mode().IsRegular():
		f.fail(e.place, e.written, "names no file of this machine: relative paths begin at %s", f.base)
	case !isArchive(l.path):
		f.fail(e.place, e.written, "names a file that is neither a wheel nor a source distribution")
	case f.constraint:
		f.fail(e.place, e.written, "is a file; a constraint is a name and a version")
	default:
		f.localFile(e, l)
	}
}

// strongerHash is one that kis does not compute.
var strongerHash = regexp.MustCompile(`sha(?:384|512):`)

// localFile adds a requirement for a file of this machine. The hash in its address makes pip install
// this very file, where a version alone could come from an index.
func (f *file) localFile(e entry, l localRequirement) {
	local, err := HashFile(l.path)
	if err != nil {
		f.fail(e.place, e.written, "cannot be read: %s", err)
		return
	}
	called := fileProject(local.Name)
	if l.name == "" {
		l.name = called
	}
	switch {
	case l.name == "":
		f.fail(e.place, e.written, "names a file that is not called NAME-VERSION as wheels and source distributions are")
		return
	case strings.HasSuffix(local.Name, ".whl") && canonical(l.name) != canonical(called):
		f.fail(e.place, e.written, "names a wheel of another project, %s", called)
		return
	case l.hash != "" && l.hash != "sha256="+local.SHA256:
		f.fail(e.place, e.written, "has the hash of another file; %s has sha256=%s", local.Name, local.SHA256)
		return
	case e.hashes && !strings.Contains(l.options, "sha256:"+local.SHA256) && !strongerHash.MatchString(l.options):
		f.fail(e.place, e.written, "has hashes of other files; %s has --hash=sha256:%s", local.Name, local.SHA256)
		return
	case !f.addLocal(local):
		f.fail(e.place, e.written, "is a second file with the name %s and another content", local.Name)
		return
	}
	extras := ""
	if len(l.extras) > 0 {
		extras = "[" + strings.Join(l.extras, ",") + "]"
	}
	address := fmt.Sprintf("file://${%s}/%s#sha256=%s", LocalsVariable, url.PathEscape(local.Name), local.SHA256)
	e.text = l.name + extras + " @ " + address + withMarker(l.marker)
	if l.options != "" {
		e.text += " " + l.options
	}
	e.written = "" // the text has no variable of the user
	e.req = requirement{name: l.name, extras: l.extras, url: "file:", marker: l.marker}
	f.requirements = append(f.requirements, e)
}

// addLocal remembers a file to upload. Two of one name must be the same.
func (r *reader) addLocal(local Local) bool {
	for _, other := range r.locals {
		if other.Name == local.Name {
			return other.SHA256 == local.SHA256
		}
	}
	r.locals = append(r.locals, local)
	return true
}

// fileProject returns the name of the project that a wheel or source distribution is called after,
// or "".
func fileProject(name string) string {
	if strings.HasSuffix(name, ".whl") {
		parts := strings.Split(name, "-")
		if len(parts) < 5 || len(parts) > 6 {
			return ""
		}
		name = parts[0]
	} else {
		at := regexp.MustCompile(`-[0-9]`).FindAllStringIndex(name, -1)
		if len(at) == 0 {
			return ""
		}
		name = name[:at[len(at)-1][0]]
	}
	if namePattern.FindString(name) != name {
		return ""
	}
	return name
}

// HashFile reads a file that is to be uploaded.
func HashFile(path string) (Local, error) {
	opened, err := os.Open(path)
	if err != nil {
		return Local{}, err
	}
	defer opened.Close() //nolint:errcheck // only read
	sum := sha256.New()
	size, err := io.Copy(sum, opened)
	return Local{Path: path, Name: filepath.Base(path), SHA256: hex.EncodeToString(sum.Sum(nil)), Size: size}, err
}
