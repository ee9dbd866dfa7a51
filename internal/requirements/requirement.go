package requirements

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// requirement is one requirement of pip: a dependency specifier, or the address of an archive or a
// repository alone.
type requirement struct {
	name      string // as written; "" if only an address is given
	extras    []string
	specifier string
	url       string // of `name @ url`, or alone
	marker    string // as written; "" for none
}

// The tokens of dependency specifiers, as packaging's tokenizer has them.
var (
	namePattern   = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?`)
	extrasPattern = regexp.MustCompile(`^\[([^\]]*)\]`)
	urlPattern    = regexp.MustCompile(`^@[ \t]*([^ \t]+)[ \t]*$`)
)

const (
	preRelease  = `(?:[-_.]?(?:alpha|beta|preview|pre|a|b|c|rc)[-_.]?[0-9]*)?`
	postRelease = `(?:-[0-9]+|[-_.]?(?:post|rev|r)[-_.]?[0-9]*)?`
	devRelease  = `(?:[-_.]?dev[-_.]?[0-9]*)?`
	release     = `v?(?:[0-9]+!)?[0-9]+(?:\.[0-9]+)*`
	suffixes    = preRelease + postRelease + devRelease
)

// isSpecifier reports whether the text is a version specifier of PEP 440. ASCII letters may have either case; others
// are no letters there: U+212A is no k.
func isSpecifier(text string) bool {
	return specifierPattern.MatchString(strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, text))
}

// specifierPattern is a version specifier of PEP 440 in lower case.
var specifierPattern = regexp.MustCompile(`^(?:` +
	`===[ \t]*[^\s;),]+` +
	`|(?:==|!=)[ \t]*` + release + `(?:\.\*|` + suffixes + `(?:\+[a-z0-9]+(?:[-_.][a-z0-9]+)*)?)` +
	`|~=[ \t]*v?(?:[0-9]+!)?[0-9]+(?:\.[0-9]+)+` + suffixes +
	`|(?:<=|>=|<|>)[ \t]*` + release + suffixes +
	`)$`)

// parseRequirement reads what pip's parse_req_from_line reads, except paths.
func parseRequirement(text string) (requirement, error) {
	var r requirement
	spec, marker := splitMarker(text)
	if marker != "" {
		if err := checkMarker(marker); err != nil {
			return r, err
		}
	}
	r.marker = marker
	if isURL(spec) {
		r.url = spec
		return r, nil
	}
	if r.name = namePattern.FindString(spec); r.name == "" {
		return r, errors.New("does not begin with the name of a project")
	}
	rest := skip(spec, r.name)
	if found := extrasPattern.FindStringSubmatch(rest); found != nil {
		var err error
		if r.extras, err = parseExtras(found[1]); err != nil {
			return r, err
		}
		rest = skip(rest, found[0])
	}
	if strings.HasPrefix(rest, "@") {
		found := urlPattern.FindStringSubmatch(rest)
		if found == nil {
			return r, errors.New("has no address behind the @, or something behind it that is no marker")
		}
		r.url = found[1]
		return r, nil
	}
	r.specifier = rest
	return r, checkSpecifiers(rest)
}

// skip returns what follows the prefix and blanks.
func skip(text, prefix string) string {
	return strings.TrimLeft(text[len(prefix):], " \t")
}

// splitMarker separates the marker, which begins at the first semicolon; behind an address alone, at
// the first one that a space follows.
func splitMarker(text string) (spec, marker string) {
	separator := ";"
	if isURL(text) {
		separator = "; "
	}
	spec, marker, _ = strings.Cut(text, separator)
	return trim(spec), trim(marker)
}

func parseExtras(list string) ([]string, error) {
	if strings.Trim(list, " \t") == "" {
		return nil, nil
	}
	var all []string
	for extra := range strings.SplitSeq(list, ",") {
		extra = strings.Trim(extra, " \t")
		if extra == "" || namePattern.FindString(extra) != extra {
			return nil, fmt.Errorf("has %q among its extras, which is no name", extra)
		}
		all = append(all, extra)
	}
	return all, nil
}

func checkSpecifiers(list string) error {
	if list == "" {
		return nil
	}
	if inner, ok := strings.CutPrefix(list, "("); ok {
		if inner, ok = strings.CutSuffix(inner, ")"); !ok {
			return errors.New("has a parenthesis without its second")
		}
		list = inner
	}
	for one := range strings.SplitSeq(list, ",") {
		one = strings.Trim(one, " \t")
		if !isSpecifier(one) {
			return fmt.Errorf("has %q where a version such as ==1.0 is expected", one)
		}
	}
	return nil
}

// pinned reports whether only one version satisfies the specifier, as --require-hashes demands.
func (r requirement) pinned() bool {
	one := strings.Trim(r.specifier, "() \t")
	return strings.HasPrefix(one, "==") && !strings.Contains(one, ",") && !strings.HasSuffix(one, ".*")
}

var schemePattern = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+.-]*):`)

// scheme returns the scheme of a URL in lower case, or "".
func scheme(text string) string {
	if found := schemePattern.FindStringSubmatch(text); found != nil {
		return strings.ToLower(found[1])
	}
	return ""
}

// isURL reports what pip takes for an address, not for a name or a path.
func isURL(text string) bool {
	s := scheme(text)
	return s == "http" || s == "https" || s == "file" || s == "ftp" || isVCS(s)
}

// isVCS reports the schemes of pip for repositories.
func isVCS(scheme string) bool {
	system, transport, ok := strings.Cut(scheme, "+")
	if !ok {
		return false
	}
	transports := map[string]string{
		"git": " http https ssh git file ", "hg": " file http https ssh static-http ",
		"bzr": " http https ssh sftp ftp lp file ", "svn": " ssh http https svn file ",
	}
	return strings.Contains(transports[system], " "+transport+" ")
}

// fragment returns a parameter of the part of a URL behind its #.
func fragment(url, key string) string {
	_, all, _ := strings.Cut(url, "#")
	for part := range strings.SplitSeq(all, "&") {
		if value, ok := strings.CutPrefix(part, key+"="); ok {
			return value
		}
	}
	return ""
}
