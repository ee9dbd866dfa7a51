package inventory

import (
	"fmt"
	"strings"
)

// maxListed is how many names a message lists; it counts the rest.
const maxListed = 20

// unknown is the message for a name that does not exist: the nearest one that does, and all that
// exist.
func unknown(kind, name string, valid []string) string {
	text := fmt.Sprintf("unknown %s %s", kind, quote(name))
	near := nearest(name, valid)
	switch {
	case near != "":
		return fmt.Sprintf("%s; did you mean %q? known: %s", text, near, listed(valid))
	case len(valid) == 0:
		return fmt.Sprintf("%s; there is none", text)
	}
	return fmt.Sprintf("%s; known: %s", text, listed(valid))
}

// listed joins names for a message.
func listed(names []string) string {
	if len(names) <= maxListed {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:maxListed], ", "), len(names)-maxListed)
}

// nearest returns the valid name that a mistyped one most likely means, or "". Up to half of the
// characters may differ, and at most three: with more, the suggestion would be a guess.
func nearest(name string, valid []string) string {
	if len(name) > 100 {
		return "" // not a typing error, and the distance takes quadratic time
	}
	best, limit := "", min(max(1, len(name)/2), 3)+1
	for _, candidate := range valid {
		if d := distance(strings.ToLower(name), strings.ToLower(candidate)); d < limit {
			best, limit = candidate, d
		}
	}
	return best
}

// distance is the Levenshtein distance: how many characters to insert, delete or replace.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
