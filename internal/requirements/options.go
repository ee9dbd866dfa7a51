package requirements

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/keep-it-simple/kis/internal/shellwords"
)

// given is one option of a line.
type given struct {
	name  string // the long one, as the table of takesValue has it
	value string
}

// kinds of options: where they may stand.
const (
	forFile        = "file"        // alone on a line, for the whole file
	forRequirement = "requirement" // behind a requirement
	forInclude     = "include"     // alone on a line; names a file or a project
)

// optionKind says what an option is, and whether it has a value. It knows the options that pip 20.3
// to 26.3 read in requirements files.
func optionKind(name string) (kind string, takesValue bool) {
	switch name {
	case "--requirement", "--constraint", "--editable":
		return forInclude, true
	case "--hash", "--config-settings", "--config-setting", "--global-option", "--install-option":
		return forRequirement, true
	case "--index-url", "--pypi-url", "--extra-index-url", "--find-links", "--trusted-host",
		"--no-binary", "--only-binary", "--use-feature", "--all-releases", "--only-final":
		return forFile, true
	case "--no-index", "--prefer-binary", "--require-hashes", "--no-require-hashes", "--pre":
		return forFile, false
	}
	return "", false
}

// longName returns the long name of a short option, or "".
func longName(short rune) string {
	return map[rune]string{
		'r': "--requirement", 'c': "--constraint", 'e': "--editable",
		'i': "--index-url", 'f': "--find-links", 'C': "--config-settings",
	}[short]
}

// breakLine separates a requirement from its options, as break_args_options of pip does: the options
// begin at the first word behind a space, or at the beginning, that begins with a hyphen.
func breakLine(line string) (requirement, options string) {
	at := 0
	for word := range strings.SplitSeq(line, " ") {
		if strings.HasPrefix(word, "-") {
			return strings.TrimSuffix(line[:at], " "), line[at:]
		}
		at += len(word) + 1
	}
	return line, ""
}

// parseOptions reads options as pip does: shlex.split, then optparse. Abbreviations are refused,
// because pip's versions differ in what they abbreviate. So are words that belong to no option:
// pip ignores them.
func parseOptions(text string) ([]given, error) {
	words, err := splitShell(text)
	if err != nil {
		return nil, err
	}
	var all []given
	for len(words) > 0 {
		var o given
		if o, words, err = parseOption(words[0], words[1:]); err != nil {
			return nil, err
		}
		all = append(all, o)
	}
	return all, nil
}

func parseOption(word string, rest []string) (given, []string, error) {
	var name, value string
	attached := false
	switch {
	case word == "--" || word == "-" || !strings.HasPrefix(word, "-"):
		return given{}, nil, fmt.Errorf("has %q behind an option, which pip ignores", word)
	case strings.HasPrefix(word, "--"):
		name, value, attached = strings.Cut(word, "=")
	default:
		short, size := utf8.DecodeRuneInString(word[1:])
		name, value = longName(short), word[1+size:]
		attached = value != ""
		if name == "" {
			return given{}, nil, fmt.Errorf("has the option -%c, which pip does not have in requirements files", short)
		}
	}
	kind, takesValue := optionKind(name)
	switch {
	case kind == "":
		return given{}, nil, fmt.Errorf("has the option %s, which pip does not have in requirements files", name)
	case attached && !takesValue:
		return given{}, nil, fmt.Errorf("gives a value to %s, which has none", name)
	case takesValue && !attached && len(rest) == 0:
		return given{}, nil, fmt.Errorf("has %s without a value", name)
	case takesValue && !attached:
		value, rest = rest[0], rest[1:]
	}
	return given{name, value}, rest, checkValue(name, value)
}

// trustedHost is a host, perhaps with a port.
var trustedHost = regexp.MustCompile(`^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$`)

// checkValue refuses what pip refuses.
func checkValue(name, value string) error {
	switch name {
	case "--hash":
		algorithm, _, ok := strings.Cut(value, ":")
		if !ok || algorithm != "sha256" && algorithm != "sha384" && algorithm != "sha512" {
			return errors.New("has a --hash that is none of sha256:…, sha384:…, sha512:…")
		}
	case "--config-settings", "--config-setting":
		if !strings.Contains(value, "=") {
			return fmt.Errorf("has %s without KEY=VALUE", name)
		}
	case "--trusted-host":
		if !trustedHost.MatchString(value) {
			return errors.New("has a --trusted-host that is no HOST or HOST:PORT")
		}
	case "--no-binary", "--only-binary", "--all-releases", "--only-final":
		if strings.HasPrefix(value, "-") {
			return fmt.Errorf("has %s without a value", name)
		}
	}
	return nil
}

// splitShell is Python's shlex.split.
func splitShell(text string) ([]string, error) {
	words, err := shellwords.Split(text, shellwords.Rules{Escapable: shellwords.Shlex})
	switch {
	case errors.Is(err, shellwords.ErrBackslash):
		err = errors.New("ends with a backslash")
	case err != nil:
		err = errors.New("has a quotation mark without its second")
	}
	return words, err
}
