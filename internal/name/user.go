package name

import "regexp"

// User is a user of a host that the agent can run as. The zero value is the user that logs in.
type User struct{ name string }

// userPattern is what directory services have for users of POSIX systems, capitals and dots
// included. It is never a number, which sudo takes for a user ID behind a "#" only.
var userPattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9._-]{0,31}$`)

// ParseUser reads a user's name, such as "www-data".
func ParseUser(text string) (User, error) {
	if !userPattern.MatchString(text) {
		return User{}, &Error{text, "is not a user name; use a letter or _, then up to 31 of A-Z a-z 0-9 . _ -"}
	}
	return User{name: text}, nil
}

// String returns the name, "" for the user that logs in.
func (u User) String() string { return u.name }

// IsZero reports whether u is the user that logs in.
func (u User) IsZero() bool { return u.name == "" }

// MarshalText is String, for JSON.
func (u User) MarshalText() ([]byte, error) { return []byte(u.name), nil }

// UnmarshalText reads what MarshalText wrote; the empty text is the user that logs in.
func (u *User) UnmarshalText(text []byte) error { return unmarshal(u, text, ParseUser) }
