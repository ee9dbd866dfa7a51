package name

import "strings"

// Canonical is the name of a distribution (PEP 503) or of an extra (PEP 685) as it is compared: "My.Shop" and
// "my_shop" are "my-shop".
func Canonical(text string) string { return strings.ToLower(separators.ReplaceAllString(text, "-")) }
