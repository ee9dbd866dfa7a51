package ansible

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// maxRange bounds the hosts of one pattern.
const maxRange = 10_000

var (
	bracketedPort = regexp.MustCompile(`^\[(.+)\]:([0-9]+)$`)
	plainPort     = regexp.MustCompile(`^((?:[^:\[\]]|\[[^\]]*\])*):([0-9]+)$`)
	anyRange      = regexp.MustCompile(`\[[^\[\]]*\]`)
	networkName   = regexp.MustCompile(`^` + label + `(?:\.` + label + `)*$`)
)

// label is a part of a host name, as Ansible knows it.
const label = `(?:[\p{L}\p{N}_][\p{L}\p{N}_-]*)?[\p{L}\p{N}]`

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

// hostPattern expands web[01:20:2].example.com:2222 to names and a port, "" for none.
func hostPattern(text string) (names []string, port string, err error) {
	pattern := text
	for _, form := range []*regexp.Regexp{bracketedPort, plainPort} {
		if m := form.FindStringSubmatch(pattern); m != nil {
			pattern, port = m[1], m[2]
		}
	}
	// Ansible takes what it does not know as a host for a name as a whole.
	plain := anyRange.ReplaceAllString(pattern, "0")
	if _, err := netip.ParseAddr(plain); err != nil && !networkName.MatchString(plain) {
		pattern, port = text, ""
	}
	if strings.HasSuffix(text, ":") && !strings.HasSuffix(text, "::") {
		return nil, "", fmt.Errorf("%q ends with a colon", text)
	}
	names, err = expand(pattern, nil)
	if err != nil {
		return nil, "", fmt.Errorf("%q: %w", text, err)
	}
	return names, port, nil
}

// expand appends the names that a pattern stands for.
func expand(pattern string, names []string) ([]string, error) {
	head, rest, found := strings.Cut(pattern, "[")
	if !found {
		if len(names) >= maxRange {
			return nil, fmt.Errorf("more than %d hosts", maxRange)
		}
		return append(names, pattern), nil
	}
	bounds, tail, found := strings.Cut(rest, "]")
	if !found {
		return nil, errors.New("a [ without its ]")
	}
	values, err := sequence(bounds)
	if err != nil {
		return nil, err
	}
	for _, v := range values {
		if names, err = expand(head+v+tail, names); err != nil {
			return nil, err
		}
	}
	return names, nil
}

// sequence returns the values of a range: first:last or first:last:step, numbers or letters.
func sequence(bounds string) ([]string, error) {
	parts := strings.Split(bounds, ":")
	if len(parts) != 2 && len(parts) != 3 || parts[1] == "" {
		return nil, errors.New("a range is written [first:last] or [first:last:step]")
	}
	first, last, step := parts[0], parts[1], 1
	if first == "" {
		first = "0"
	}
	if len(parts) == 3 {
		var err error
		if step, err = strconv.Atoi(parts[2]); err != nil || step < 1 {
			return nil, fmt.Errorf("the step %q is not a positive number", parts[2])
		}
	}
	padded := len(first) > 1 && first[0] == '0'
	if padded && len(first) != len(last) {
		return nil, errors.New("with leading zeros both ends of a range need the same length")
	}
	from, to := strings.Index(letters, first), strings.Index(letters, last)
	text := func(i int) string { return letters[i : i+1] }
	if len(first) != 1 || len(last) != 1 || from < 0 || to < 0 {
		var err1, err2 error
		from, err1 = strconv.Atoi(first)
		to, err2 = strconv.Atoi(last)
		if err1 != nil || err2 != nil || from < 0 {
			return nil, errors.New("the ends of a range are two numbers or two letters")
		}
		text = strconv.Itoa
		if padded {
			text = func(i int) string { return fmt.Sprintf("%0*d", len(first), i) }
		}
	}
	if from > to {
		return nil, errors.New("the range ends before it begins")
	}
	if (to-from)/step >= maxRange {
		return nil, fmt.Errorf("more than %d hosts", maxRange)
	}
	var values []string
	for i := from; i <= to; i += step {
		values = append(values, text(i))
	}
	return values, nil
}
