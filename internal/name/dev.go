package name

import (
	"regexp"
	"strings"
)

// devPattern is the local version that Dev adds.
var devPattern = regexp.MustCompile(`\+([0-9A-Za-z.]+\.)?(g[0-9a-f]{7}\.)?d[0-9a-f]{8}$`)

// Dev is the package of a version that is still being developed: its name gets a local version (PEP
// 440) of the git commit, where there is one, and the first digits of a digest of the content. Both are
// hexadecimal. It fails where the name becomes too long.
func (p Package) Dev(commit, digest string) (Package, error) {
	local := "d" + digest[:min(len(digest), 8)]
	if len(commit) >= 7 {
		local = "g" + commit[:7] + "." + local
	}
	mark := "+"
	if strings.Contains(p.dir, "+") {
		mark = "."
	}
	return ParsePackage(p.dir + mark + local)
}

// ProjectVersion is the version as the project's metadata has it: without what Dev added.
func (p Package) ProjectVersion() string {
	if !p.IsDev() {
		return p.Version()
	}
	return devSuffix.ReplaceAllString(p.Version(), "")
}

// devSuffix is what Dev adds to a version that is recognized by devPattern.
var devSuffix = regexp.MustCompile(`[+.](g[0-9a-f]{7}\.)?d[0-9a-f]{8}$`)

// IsDev reports whether Dev made the package's name.
func (p Package) IsDev() bool { return devPattern.MatchString(p.dir) }
