package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/keep-it-simple/kis/internal/safetext"
)

// fail notes that a setting has a value that it cannot have.
func (b *builder) fail(keyword, value, want string) {
	b.errs = append(b.errs, fmt.Errorf("%s %s (%s): %s", keyword, safetext.Line(value), b.settings[keyword][0].source, want))
}

// flag reads yes and no in all of ssh_config's spellings; values of settings
// that have more than two, such as PubkeyAuthentication, count as yes.
func (b *builder) flag(keyword string, otherwise bool) bool {
	switch strings.ToLower(b.settings.first(keyword)) {
	case "":
		return otherwise
	case "no", "false":
		return false
	}
	return true
}

func (b *builder) number(keyword string, otherwise, low, high int) int {
	v := b.settings.first(keyword)
	if v == "" {
		return otherwise
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < low || n > high {
		b.fail(keyword, v, fmt.Sprintf("want a number from %d to %d", low, high))
	}
	return n
}

// seconds reads the time formats of sshd_config(5): 90, 90s, 1m30s, 2h, 1d, 1w.
func (b *builder) seconds(keyword string) time.Duration {
	v := strings.ToLower(b.settings.first(keyword))
	if v == "" || v == "none" {
		return 0
	}
	units := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour}
	var total time.Duration
	for rest := v; rest != ""; {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		n, err := strconv.Atoi(rest[:digits])
		unit := time.Second
		if digits < len(rest) {
			unit = units[rest[digits]]
			digits++
		}
		if err != nil || unit == 0 || n > 1<<20 {
			b.fail(keyword, v, "want a time such as 30, 30s or 2m")
			return 0
		}
		total += time.Duration(n) * unit
		rest = rest[digits:]
	}
	return total
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func noneIsEmpty(s string) string {
	if s == "none" {
		return ""
	}
	return s
}

func splitList(s string) []string {
	if s == "" || s == "any" {
		return nil
	}
	return strings.Split(s, ",")
}

// splitPaths splits a list of paths. `ssh -G` prints paths with blanks without
// their quotes; as all it prints are absolute, a word that is not belongs to the
// path before it.
func splitPaths(s string) []string {
	if s == "none" {
		return nil
	}
	var paths []string
	for word := range strings.FieldsSeq(s) {
		if len(paths) > 0 && !strings.HasPrefix(word, "/") {
			paths[len(paths)-1] += " " + word
			continue
		}
		paths = append(paths, word)
	}
	return paths
}
