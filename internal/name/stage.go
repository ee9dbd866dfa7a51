package name

import "regexp"

// Stage is the name of a stage. It has no hyphen and a package's name always has one, because both
// are entries of one directory.
type Stage struct{ name string }

var stagePattern = regexp.MustCompile(`^[a-z][a-z0-9_]{0,31}$`)

// ParseStage reads a stage's name, such as "production".
func ParseStage(text string) (Stage, error) {
	if text == "shared" {
		return Stage{}, &Error{text, "is the directory of what packages share, and no stage"}
	}
	if !stagePattern.MatchString(text) {
		return Stage{}, &Error{text, "is not a stage name; use a lower-case letter, then up to 31 of a-z 0-9 _"}
	}
	return Stage{name: text}, nil
}

// String returns the name, "" for no stage.
func (s Stage) String() string { return s.name }

// IsZero reports whether s is "no stage".
func (s Stage) IsZero() bool { return s.name == "" }

// MarshalText is String, for JSON.
func (s Stage) MarshalText() ([]byte, error) { return []byte(s.name), nil }

// UnmarshalText reads what MarshalText wrote; the empty text is no stage.
func (s *Stage) UnmarshalText(text []byte) error { return unmarshal(s, text, ParseStage) }
