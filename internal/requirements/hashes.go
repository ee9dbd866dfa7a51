package requirements

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
)

var urlHash = regexp.MustCompile(`[#&](?:sha256|sha384|sha512)=[0-9a-f]+`)

// checkHashes reports whether pip will demand hashes, and then refuses every requirement that pip
// would refuse.
func (r *reader) checkHashes() bool {
	all := slices.Concat(r.requirements, r.constraints)
	hashed := slices.ContainsFunc(all, func(e entry) bool { return e.hashes || e.option && strings.Contains(e.text, "--require-hashes") })
	if !hashed || slices.ContainsFunc(all, func(e entry) bool { return e.option && strings.Contains(e.text, "--no-require-hashes") }) {
		return false
	}
	some := false
	for _, e := range r.requirements {
		if !e.option {
			some = true
			r.checkHash(e)
		}
	}
	return some
}

// checkHash refuses a requirement that --require-hashes does.
func (r *reader) checkHash(e entry) {
	shown := cmp.Or(e.written, e.text)
	constrained := slices.ContainsFunc(r.constraints, func(c entry) bool {
		return c.hashes && c.req.pinned() && e.req.url == "" && canonical(c.req.name) == canonical(e.req.name)
	})
	switch {
	case constrained:
	case isVCS(scheme(e.req.url)):
		r.fail(e.place, shown, "comes from a repository, for which pip has no hashes, but other requirements have them; "+
			"remove all hashes (uv export --no-hashes), or build a wheel of it and name that file here")
	case !e.hashes && !urlHash.MatchString(e.text):
		r.fail(e.place, shown, "has no --hash, but other requirements have them, and pip then demands them of all (pip-compile --generate-hashes)")
	case e.req.url == "" && !e.req.pinned():
		r.fail(e.place, shown, "is not pinned with ==, which pip demands where requirements have hashes")
	}
}
