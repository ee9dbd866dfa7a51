package inventory

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// maxRange is the number of hosts that one range may stand for: more is a typing error.
const maxRange = 1000

// rangePattern matches `[1:3]` and what users write instead of it.
var rangePattern = regexp.MustCompile(`\[([^\[\]]*[:-][^\[\]]*|)\]`)

// rangeBounds are the digits of a range. Nine of them cannot overflow an int.
var rangeBounds = regexp.MustCompile(`^([0-9]{1,9}):([0-9]{1,9})$`)

// expandRange returns the names that `web[1:3]` stands for, in order; text without a range stands
// for itself. With leading zeros every number is padded to that width, as in `web[01:20]`.
func expandRange(text string) ([]string, error) {
	places := rangePattern.FindAllStringSubmatchIndex(text, 2)
	if len(places) == 0 {
		return []string{text}, nil
	}
	place := places[0]
	m := rangeBounds.FindStringSubmatch(text[place[2]:place[3]])
	switch {
	case len(places) > 1:
		return nil, fmt.Errorf("%s has two ranges; one is possible", quote(text))
	case m == nil && strings.HasPrefix(text, "["):
		return []string{text}, nil // an IPv6 address in brackets; the error of checkHost explains it
	case m == nil:
		return nil, fmt.Errorf("%s: a range is written [first:last] with whole numbers, as in web[1:3]", quote(text))
	case (len(m[1]) > 1 && m[1][0] == '0' || len(m[2]) > 1 && m[2][0] == '0') && len(m[1]) != len(m[2]):
		return nil, fmt.Errorf("%s: with leading zeros both ends of a range need the same number of digits", quote(text))
	}
	first, _ := strconv.Atoi(m[1]) // the pattern matches only numbers that fit
	last, _ := strconv.Atoi(m[2])
	switch {
	case last < first:
		return nil, fmt.Errorf("%s: the range ends before it begins", quote(text))
	case last-first >= maxRange:
		return nil, fmt.Errorf("%s: a range stands for at most %d hosts, this one for %d", quote(text), maxRange, last-first+1)
	}
	width := 1
	if strings.HasPrefix(m[1], "0") {
		width = len(m[1])
	}
	names := make([]string, 0, last-first+1)
	for i := first; i <= last; i++ {
		names = append(names, fmt.Sprintf("%s%0*d%s", text[:place[0]], width, i, text[place[1]:]))
	}
	return names, nil
}
