package requirements

import (
	"net/url"
	"regexp"
	"strings"
)

// eggName is the name that the address of a repository gives: …#egg=NAME[extras].
func eggName(address string) string { return namePattern.FindString(fragment(address, "egg")) }

// direct reads a requirement with an address.
func (f *file) direct(e entry, options string) {
	s := scheme(e.req.url)
	switch {
	case s != "" && s != "file" && !strings.HasSuffix(s, "+file") && !hasHost(e.req.url):
		f.fail(e.place, e.written, "has an address without a host")
	case s == "http" || s == "https" || s == "ftp":
		f.add(e)
	case s == "file":
		f.fileURL(e, options)
	case isVCS(s) && strings.HasSuffix(s, "+file"):
		f.fail(e.place, e.written, "names a repository of this machine, which hosts do not have")
	case isVCS(s):
		f.noticeVCS(e)
		f.add(e)
	case s == "":
		f.fail(e.place, e.written, "has a path behind the @, where pip wants an address; write the path alone, or file:///…")
	default:
		f.fail(e.place, e.written, "has an address with %s:, which pip does not read", s)
	}
}

var hostPattern = regexp.MustCompile(`^[^:]*://([^/?#]+)`)

// hasHost reports whether pip finds a host in a URL. Brackets are for IPv6 addresses.
func hasHost(address string) bool {
	found := hostPattern.FindStringSubmatch(address)
	if found == nil {
		return false
	}
	_, err := url.Parse("https://" + found[1])
	return err == nil || !strings.ContainsAny(found[1], "[]")
}

// fileURL reads the address of a file or directory of this machine.
func (f *file) fileURL(e entry, options string) {
	path, ok := pathOfURL(e.req.url)
	if !ok {
		f.fail(e.place, e.written, "is not the address of a file of this machine")
		return
	}
	l := localRequirement{name: e.req.name, path: path, extras: e.req.extras, marker: e.req.marker, options: options}
	if sum := fragment(e.req.url, "sha256"); sum != "" {
		l.hash = "sha256=" + sum
	}
	if fragment(e.req.url, "subdirectory") != "" {
		f.fail(e.place, e.written, "names a part of an archive, which kis does not build; build a wheel of it and name that file here")
		return
	}
	if l.name == "" {
		l.name = eggName(e.req.url)
	}
	f.localPath(e, l)
}

// editable reads the value of -e.
func (f *file) editable(e entry, value string) {
	e.option = false
	path, extras, err := splitExtras(value)
	if err != nil {
		f.fail(e.place, e.written, "%s", withoutValues(err, e.written, e.text))
		return
	}
	s := scheme(value)
	switch {
	case s == "file":
		if path, ok := pathOfURL(path); ok {
			f.editablePath(e, path, extras)
			return
		}
		f.fail(e.place, e.written, "is not the address of a directory of this machine")
	case isVCS(s) || isVCS(s+"+"+s):
		f.editableVCS(e, value)
	case isDirectReference(value):
		// pip reads it only from 24.1 on; uv and PDM write it
		f.editableNamed(e, value)
	default:
		f.editablePath(e, f.absolute(path), extras)
	}
}

func (f *file) editableNamed(e entry, value string) {
	req, err := parseRequirement(value)
	switch {
	case err != nil:
		f.fail(e.place, e.written, "%s", withoutValues(err, e.written, e.text))
	case f.isProject(req.name):
		f.drop(e, req.extras, req.marker)
	case scheme(req.url) == "file":
		if path, ok := pathOfURL(req.url); ok {
			f.editablePath(e, path, req.extras)
			return
		}
		f.fail(e.place, e.written, "is not the address of a directory of this machine")
	case isVCS(scheme(req.url)) && !strings.HasSuffix(scheme(req.url), "+file"):
		e.text, e.req = value, req
		f.regular(e)
	default:
		f.fail(e.place, e.written, "is neither a directory nor a repository")
	}
}

func (f *file) editablePath(e entry, path string, extras []string) {
	if f.isProjectDir(path) {
		f.drop(e, extras, "")
		return
	}
	f.fail(e.place, e.written, directoryRemedy)
}

var (
	eggFragment  = regexp.MustCompile(`egg=[^&#]*&?`)
	eggSpecifier = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9._-]*)(\[[^\]]*\])?$`)
)

// editableVCS installs a repository as a regular package. An editable one is a checkout beside the
// environment: it is there to be edited, which a package on a host never is.
func (f *file) editableVCS(e entry, address string) {
	s := scheme(address)
	if !isVCS(s) || strings.HasSuffix(s, "+file") {
		f.fail(e.place, e.written, "is not the address of a repository that hosts can reach, such as git+https://…")
		return
	}
	egg := fragment(address, "egg")
	if f.isProject(eggName(address)) {
		_, extras, err := splitExtras(egg)
		if err != nil {
			f.fail(e.place, e.written, "%s", withoutValues(err, e.written, e.text))
			return
		}
		f.drop(e, extras, "")
		return
	}
	before, _, _ := strings.Cut(address, "#")
	e.text, e.req.url = address, address
	if egg != "" {
		found := eggSpecifier.FindStringSubmatch(egg)
		if found == nil {
			f.fail(e.place, e.written, "has a name behind egg= that pip does not read")
			return
		}
		rest := strings.TrimSuffix(eggFragment.ReplaceAllString(address[len(before):], ""), "&")
		if rest == "#" {
			rest = ""
		}
		e.req = requirement{name: found[1], url: before + rest}
		e.text = found[0] + " @ " + e.req.url
	}
	f.regular(e)
}

// regular adds what was written as editable.
func (f *file) regular(e entry) {
	if f.constraint {
		f.fail(e.place, e.written, "is editable; a constraint is a name and a version")
		return
	}
	f.notice("%s: kis installs %s as a regular package, because packages on hosts are not edited", e.place, shorten(e.written))
	f.noticeVCS(e)
	e.written = strings.TrimPrefix(strings.TrimPrefix(e.written, "--editable"), "-e")
	f.requirements = append(f.requirements, e)
}

var commit = regexp.MustCompile(`@[0-9a-f]{40}(?:$|[#?])`)

// noticeVCS says what a repository costs.
func (f *file) noticeVCS(e entry) {
	system, _, _ := strings.Cut(scheme(e.req.url), "+")
	f.notice("%s: %s comes from a repository: every host that builds it needs %s and access to it", e.place, shorten(e.written), system)
	if system == "git" && !commit.MatchString(e.req.url) {
		f.notice("%s: %s is not pinned to a commit: hosts may get different ones", e.place, shorten(e.written))
	}
}
