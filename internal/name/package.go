package name

import (
	"fmt"
	"regexp"
	"strings"
)

// Package is the name of a package, {name}-{version}, which is also its directory in the package
// repository. The zero value is "no package".
type Package struct{ dir string }

// longestPackage leaves room in NAME_MAX for the names derived from a package's.
const longestPackage = 200

var (
	// packagePattern is a project's name as PEP 625 normalizes it, a hyphen, and a version: no
	// slash, no leading hyphen or dot.
	packagePattern = regexp.MustCompile(`^[a-z0-9]+(_[a-z0-9]+)*-` + version + `$`)
	versionPattern = regexp.MustCompile(`^` + version + `$`)
	// projectPattern is the pattern of names in PEP 508, where case is ignored.
	projectPattern = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$`)
	separators     = regexp.MustCompile(`[-_.]+`)
)

// version matches every version of PEP 440 in its canonical form, and nothing that begins or ends
// with a mark.
const version = `[0-9A-Za-z]([0-9A-Za-z.+!_-]{0,98}[0-9A-Za-z])?`

// ParsePackage reads a package's name, such as "projecta-0.4".
func ParsePackage(text string) (Package, error) {
	if len(text) > longestPackage || !packagePattern.MatchString(text) || strings.Contains(text, "..") {
		return Package{}, &Error{text, "is not the name of a package: want name-version, such as projecta-0.4"}
	}
	return Package{dir: text}, nil
}

// PackageOf is the package of a project's version, both as the project's metadata writes them. The
// name is normalized as PEP 625 does for file names; the version stays as it is written.
func PackageOf(project, version string) (Package, error) {
	dir := strings.ToLower(separators.ReplaceAllString(project, "_")) + "-" + version
	switch {
	case !projectPattern.MatchString(project):
		return Package{}, fmt.Errorf("the name %s, which is not a valid project name: letters, digits and, between them, '.', '_' and '-'", quote(project))
	case !versionPattern.MatchString(version) || strings.Contains(version, ".."):
		return Package{}, fmt.Errorf("the version %s, which is not a canonical version (PEP 440)", quote(version))
	case len(dir) > longestPackage:
		return Package{}, fmt.Errorf("a name and version longer than %d bytes together", longestPackage)
	}
	return ParsePackage(dir)
}

// String returns the name, "" for no package.
func (p Package) String() string { return p.dir }

// IsZero reports whether p is "no package".
func (p Package) IsZero() bool { return p.dir == "" }

// Version is the part after the first hyphen.
func (p Package) Version() string {
	_, version, _ := strings.Cut(p.dir, "-")
	return version
}

// MarshalText is String, for JSON.
func (p Package) MarshalText() ([]byte, error) { return []byte(p.dir), nil }

// UnmarshalText reads what MarshalText wrote; the empty text is no package.
func (p *Package) UnmarshalText(text []byte) error { return unmarshal(p, text, ParsePackage) }
