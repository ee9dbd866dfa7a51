package tail

import (
	"regexp"
	"slices"
	"strings"
)

// Cause returns the line of a program's output that says why it failed, "" where none is recognized.
// That is rarely the last line: pip's own error is above a traceback, a compiler's above what follows
// from it, and the retries above all of them say that the index was not reached. Lines are as a
// program printed them, indented. The cause is at most MaxWidth bytes long, and is not safe to print.
func Cause(lines []string) string {
	best := candidate{}
	traceback := -1 // the indentation of its header, while one is read
	for at, raw := range lines {
		line := unframed(raw)
		found := rate(line)
		if strings.HasPrefix(found.text, wrongHash) && at+1 < len(lines) {
			found.text = "not the file of the requirements' hashes: " + strings.TrimSuffix(unframed(lines[at+1]), ":")
		}
		switch indented := len(raw) - len(strings.TrimLeft(raw, " ")); {
		case strings.Contains(line, "Traceback (most recent call last)"):
			traceback = indented
		case traceback >= 0 && indented <= traceback && line != "":
			traceback = -1
			if found.rank == none {
				found = candidate{exception, line}
			}
		}
		// The first error is the cause of the others; the last exception is the one that nobody caught.
		if found.rank > best.rank || found.rank == best.rank && found.rank <= exception {
			best = found
		}
	}
	if len(best.text) > MaxWidth {
		return strings.ToValidUTF8(best.text[:MaxWidth], "")
	}
	return best.text
}

// wrongHash is the begin of pip's error; the next line names the file.
const wrongHash = "THESE PACKAGES DO NOT MATCH THE HASHES"

// rank is how much a line says about the cause.
type rank int

// The ranks, from the least.
const (
	none        rank = iota
	shell            // "sh: 1: npm: not found"
	exception        // the last line of a traceback
	toolError        // "ERROR: No matching distribution found for x"
	compiler         // "x.c:1:10: fatal error: Python.h: No such file or directory"
	unreachable      // pip could not connect to the index
)

// candidate is a line that may be the cause.
type candidate struct {
	rank rank
	text string
}

var (
	shellLine     = regexp.MustCompile(`^\S*sh: .*: (?:command not found|not found|Permission denied|No such file or directory|cannot execute: .*)$`)
	exceptionLine = regexp.MustCompile(`^(?:[A-Za-z_][A-Za-z0-9_.]*)?(?:Error|Exception|ExceptionGroup)(?:: .*)?$`)
	errorLine     = regexp.MustCompile(`^(?:ERROR|Error|error|FATAL|fatal|CRITICAL): +(.+)$`)
	compilerLine  = regexp.MustCompile(`^(?:[^\s:]+:\d+(?::\d+)?: (?:fatal )?error: |error\[E\d+\]: )`)
	brokenLine    = regexp.MustCompile(`Retry\(total=0,.*after connection broken by '(.*)': (\S+)$`)
	brokenReason  = regexp.MustCompile(`(?:\[Errno -?\d+\] |\[SSL: |[Tt]imed out|Tunnel connection failed)[^'"()]*`)
)

// rate finds out what a line says.
func rate(line string) candidate {
	if broken := brokenLine.FindStringSubmatch(line); broken != nil {
		reason := broken[1]
		if known := brokenReason.FindString(reason); known != "" {
			reason = known
		}
		return candidate{unreachable, "the package index was not reached: " + reason + ": " + broken[2]}
	}
	if compilerLine.MatchString(line) {
		return candidate{compiler, line}
	}
	if said := errorLine.FindStringSubmatch(line); said != nil {
		if isGeneric(said[1]) {
			return candidate{}
		}
		return candidate{toolError, said[1]}
	}
	if exceptionLine.MatchString(line) {
		return candidate{exception, line}
	}
	if shellLine.MatchString(line) {
		return candidate{shell, line}
	}
	return candidate{}
}

// isGeneric reports whether an error of pip, or of what it runs, says only that there was another one.
func isGeneric(text string) bool {
	return slices.ContainsFunc([]string{
		"Exception:", "subprocess-exited-with-error", "metadata-generation-failed", "failed-wheel-build-for-install", "legacy-install-failure",
		"Failed building", "Failed to build", "Could not build wheels", "Could not find a version that satisfies", "Command errored out",
		"pip's dependency resolver", "Ignored the following", "process didn't exit", "aborting due to", "could not compile",
	}, func(known string) bool { return strings.HasPrefix(text, known) })
}

// unframed returns a line without indentation and without what pip draws around the output of a build.
func unframed(raw string) string { return strings.TrimLeft(strings.TrimSpace(raw), "│|╰─>×+ ") }
