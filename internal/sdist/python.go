package sdist

import (
	"cmp"
	"regexp"
	"strconv"
	"strings"
)

// clause is the part of PEP 440 that Requires-Python is written in: an operator
// and the number of a final release. Pre-releases, epochs, local versions and
// what only old tools understand are left to pip.
var clause = regexp.MustCompile(`^(~=|==|!=|<=|>=|<|>)\s*([0-9]{1,9}(?:\.[0-9]{1,9})*)(\.\*)?$`)

// final is the number of a final release.
var final = regexp.MustCompile(`^[0-9]{1,9}(\.[0-9]{1,9})*$`)

// TakesPython reports whether RequiresPython lets a version of Python through,
// such as "3.11.2", as pip would. Where it cannot tell, the answer is yes, and
// pip decides.
func (a *Archive) TakesPython(version string) bool {
	if !final.MatchString(version) {
		return true
	}
	python, all := numbers(version), true
	for text := range strings.SplitSeq(a.RequiresPython, ",") {
		text = strings.TrimSpace(text)
		if text == "" {
			continue
		}
		parts := clause.FindStringSubmatch(text)
		if parts == nil || !sound(parts) {
			return true
		}
		all = all && satisfied(python, parts[1], numbers(parts[2]), parts[3] != "")
	}
	return all
}

// sound rules out what PEP 440 does: a prefix has to be compared for equality,
// and a compatible release needs something before its last number.
func sound(parts []string) bool {
	operator, number, prefix := parts[1], parts[2], parts[3] != ""
	switch operator {
	case "==", "!=":
		return true
	case "~=":
		return !prefix && strings.Contains(number, ".")
	}
	return !prefix
}

// satisfied decides one clause.
func satisfied(python []int, operator string, want []int, prefix bool) bool {
	switch operator {
	case ">=":
		return compare(python, want) >= 0
	case "<=":
		return compare(python, want) <= 0
	case ">":
		return compare(python, want) > 0
	case "<":
		return compare(python, want) < 0
	case "~=":
		return compare(python, want) >= 0 && begins(python, want[:len(want)-1])
	}
	same := compare(python, want) == 0
	if prefix {
		same = begins(python, want)
	}
	return same == (operator == "==")
}

func numbers(version string) []int {
	var all []int
	for text := range strings.SplitSeq(version, ".") {
		n, _ := strconv.Atoi(text) // the patterns let nothing else through
		all = append(all, n)
	}
	return all
}

// compare takes numbers that are not there for 0: 3.8 is 3.8.0.
func compare(a, b []int) int {
	for i := range max(len(a), len(b)) {
		if c := cmp.Compare(at(a, i), at(b, i)); c != 0 {
			return c
		}
	}
	return 0
}

func at(numbers []int, i int) int {
	if i < len(numbers) {
		return numbers[i]
	}
	return 0
}

func begins(a, with []int) bool { return compare(a[:min(len(with), len(a))], with) == 0 }
