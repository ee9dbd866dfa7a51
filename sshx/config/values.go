package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/keep-it-simple/kis/internal/safetext"
)

// fail records that a setting has an invalid value.
func (b *builder) fail(keyword, value, want string) {
	b.errs = append(b.errs, fmt.Errorf("%s %s (%s): %s", keyword, safetext.Line(value), b.settings[keyword][0].source, want))
}

// flag parses yes and no in all spellings of ssh_config. PubkeyAuthentication has two more values,
// which count as yes.
func (b *builder) flag(keyword string, fallback bool) bool {
	switch v := strings.ToLower(b.settings.first(keyword)); v {
	case "":
		return fallback
	case "no", "false":
		return false
	case "yes", "true", "unbound", "host-bound":
		return true
	default:
		b.fail(keyword, v, "want yes or no")
		return fallback
	}
}

func (b *builder) number(keyword string, fallback, low, high int) int {
	v := b.settings.first(keyword)
	if v == "" {
		return fallback
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < low || n > high {
		b.fail(keyword, v, fmt.Sprintf("want a number from %d to %d", low, high))
	}
	return n
}

// maxDuration is longer than any timeout, and short enough to be added up.
const maxDuration = 100 * 365 * 24 * time.Hour

// duration parses the time formats of sshd_config(5): 90, 90s, 1m30s, 2h, 1d, 1w.
func (b *builder) duration(keyword string) time.Duration {
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
		if err != nil || unit == 0 || n > int((maxDuration-total)/unit) {
			b.fail(keyword, v, "want a time such as 30, 30s or 2m")
			return 0
		}
		total += time.Duration(n) * unit
		rest = rest[digits:]
	}
	return total
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

// splitPaths splits a list of paths. `ssh -G` prints paths with spaces without their quotes. As all
// paths that it prints are absolute, a word that is not is part of the path before it.
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
