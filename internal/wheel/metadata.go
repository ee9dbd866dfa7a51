package wheel

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/keep-it-simple/kis/internal/sdist"
)

// metadata is the part of METADATA that kis uses.
type metadata struct {
	project, version string
	requires         []string
}

func parseMetadata(data []byte) (metadata, error) {
	fields := sdist.Fields(data)
	names, versions := fields["name"], fields["version"]
	if len(names) != 1 || len(versions) != 1 || names[0] == "" || versions[0] == "" {
		return metadata{}, errors.New("does not have one Name and one Version")
	}
	m := metadata{names[0], versions[0], fields["requires-dist"]}
	for i, requirement := range m.requires {
		m.requires[i] = strings.Join(strings.Fields(requirement), " ") // unfolded
	}
	for _, value := range slices.Concat([]string{m.project, m.version}, m.requires) {
		if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' }) {
			return metadata{}, errors.New("a name, version or requirement has a control character")
		}
	}
	return m, nil
}

// pureTag ends the tag of a wheel that needs no particular ABI or platform.
const pureTag = "-none-any"

// requirePure checks what WHEEL says of the wheel.
func requirePure(data []byte) error {
	fields := sdist.Fields(data)
	version, pure, tags := fields["wheel-version"], fields["root-is-purelib"], fields["tag"]
	switch {
	case len(version) != 1 || !strings.HasPrefix(version[0], "1."):
		return errors.New("is not of version 1 of the format")
	case len(pure) != 1:
		return errors.New("does not have one Root-Is-Purelib")
	case len(tags) == 0:
		return errors.New("has no Tag")
	case !strings.EqualFold(pure[0], "true"):
		return fmt.Errorf("%w: Root-Is-Purelib: %s", ErrNotPure, sdist.Quoted(pure[0]))
	}
	for _, tag := range tags {
		// A tag such as cp311 names the implementation that ran the backend.
		if !strings.HasPrefix(tag, "py") || !strings.HasSuffix(tag, pureTag) {
			return fmt.Errorf("%w: Tag: %s", ErrNotPure, sdist.Quoted(tag))
		}
	}
	return nil
}

// punctuation is what tools spell differently in names and versions.
var punctuation = regexp.MustCompile(`[-_.+!]+`)

// fold makes the spellings of one name and version equal.
func fold(text string) string {
	return strings.ToLower(punctuation.ReplaceAllString(text, "-"))
}

// Is reports whether the wheel is of a project and version, as the METADATA of its source
// distribution writes them.
func (a *Archive) Is(project, version string) bool {
	return fold(a.Project) == fold(project) && a.Version == version
}
