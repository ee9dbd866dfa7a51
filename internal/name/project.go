package name

import "strings"

// Project is the name of a project as PEP 625 normalizes it: what the names of its packages begin with. The zero value is "no
// project".
type Project struct{ name string }

// ParseProject reads a project's name in any spelling: "My.Shop" is "my_shop".
func ParseProject(text string) (Project, error) {
	if !projectPattern.MatchString(text) {
		return Project{}, &Error{text, "is not the name of a project: letters, digits and, between them, '.', '_' and '-'"}
	}
	return Project{strings.ToLower(separators.ReplaceAllString(text, "_"))}, nil
}

// Project is the project that the package is a version of.
func (p Package) Project() Project {
	project, _, _ := strings.Cut(p.dir, "-")
	return Project{project}
}

// String returns the name, "" for no project.
func (p Project) String() string { return p.name }

// IsZero reports whether p is "no project".
func (p Project) IsZero() bool { return p.name == "" }
