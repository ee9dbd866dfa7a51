package name

import "regexp"

// Unit is the name of a systemd unit with its suffix, "blog.service": see systemd.unit(5). It contains no character that a
// shell, sudoers(5) or systemctl(1) treats specially.
type Unit struct{ name string }

var unitPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9:_.@-]{0,200}\.(service|socket|timer|path|target)$`)

// ParseUnit parses the name of a unit. Without a suffix it is a service, as for systemctl(1).
func ParseUnit(text string) (Unit, error) {
	for _, candidate := range []string{text, text + ".service"} {
		if unitPattern.MatchString(candidate) {
			return Unit{candidate}, nil
		}
	}
	return Unit{}, &Error{text, "is not the name of a systemd unit, such as blog.service"}
}

func (u Unit) String() string { return u.name }

// MarshalText is String, for JSON.
func (u Unit) MarshalText() ([]byte, error) { return []byte(u.name), nil }
