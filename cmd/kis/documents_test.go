package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/inventory"
)

// TestDocumentsNameFilesThatExist: a document names a file of the repository by the end of its
// path.
func TestDocumentsNameFilesThatExist(t *testing.T) {
	t.Parallel()
	files := repositoryFiles(t)
	named := regexp.MustCompile("`([\\w./-]+\\.(?:go|py|sh|txtar))`")
	for path, text := range documents(t) {
		for _, found := range named.FindAllStringSubmatch(text, -1) {
			if found[1] == "setup.py" || found[1] == "manage.py" {
				continue // of a user's project
			}
			if !strings.Contains(files, "/"+found[1]+"\n") {
				assert.Fail(t, path+" names "+found[1]+", which does not exist")
			}
		}
	}
}

// TestDocumentsNameFunctionsOfTheirFiles: a function that follows a file in a document is in a file
// of that name.
func TestDocumentsNameFunctionsOfTheirFiles(t *testing.T) {
	t.Parallel()
	files := strings.Fields(repositoryFiles(t))
	named := regexp.MustCompile("`([\\w./-]+\\.(?:go|py))`((?:(?:,| and)\\s+`[\\w.]+`)+)")
	function := regexp.MustCompile("`(?:[A-Z]\\w+\\.)?(\\w+)`") // no other file
	found := 0
	for path, text := range documents(t) {
		for _, pair := range named.FindAllStringSubmatch(text, -1) {
			for _, name := range function.FindAllStringSubmatch(pair[2], -1) {
				found++
				if !defined(t, files, pair[1], name[1]) {
					assert.Fail(t, path+": "+pair[1]+" has no function "+name[1])
				}
			}
		}
	}
	assert.Positive(t, found)
}

// defined reports whether one of the files whose path ends so defines a function.
func defined(t *testing.T, files []string, path, name string) bool {
	t.Helper()
	definition := regexp.MustCompile(`(?m)^(?:func (?:\(\w+ \*?\w+\) )?| *def )` + name + `\(`)
	for _, file := range files {
		if !strings.HasSuffix(file, "/"+path) {
			continue
		}
		text, err := os.ReadFile(strings.TrimPrefix(file, "/"))
		require.NoError(t, err)
		if definition.Match(text) {
			return true
		}
	}
	return false
}

// repositoryFiles are the ends of all paths of the repository, one after the other.
func repositoryFiles(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	require.NoError(t, filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == ".git" && d.IsDir() {
			return filepath.SkipDir
		}
		all.WriteString("/" + filepath.ToSlash(path) + "\n")
		return err
	}))
	return all.String()
}

// TestSectionsOfDocumentsExist: a link to a section leads to a heading, by the rule of GitHub.
func TestSectionsOfDocumentsExist(t *testing.T) {
	t.Parallel()
	heading, link := regexp.MustCompile(`(?m)^#+ (.+)$`), regexp.MustCompile(`\]\(([^)#:]*)#([^)]+)\)`)
	texts := documents(t)
	sections := map[string][]string{}
	for path, text := range texts {
		for _, found := range heading.FindAllStringSubmatch(text, -1) {
			sections[path] = append(sections[path], section(found[1]))
		}
	}
	for path, text := range texts {
		for _, found := range link.FindAllStringSubmatch(text, -1) {
			to := path
			if found[1] != "" {
				to = filepath.Join(filepath.Dir(path), found[1])
			}
			assert.Contains(t, sections[to], found[2], "%s: %s", path, found[0])
		}
	}
}

// section is the name by which a link calls a heading.
func section(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case strings.ContainsRune("`:,.?!…()*", r):
			return -1
		}
		return r
	}, strings.ToLower(heading))
}

// TestLinesOfDocumentsAreShort: tables and links cannot be wrapped.
func TestLinesOfDocumentsAreShort(t *testing.T) {
	t.Parallel()
	const limit = 120
	for path, text := range documents(t) {
		for line := range strings.Lines(text) {
			if !strings.HasPrefix(line, "|") && !strings.Contains(line, "](") {
				assert.LessOrEqual(t, utf8.RuneCountInString(strings.TrimRight(line, "\n")), limit, "%s: %s", path, line)
			}
		}
	}
}

// TestInventoriesOfDocumentsAreValid parses every inventory that a document shows.
func TestInventoriesOfDocumentsAreValid(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("../../docs/*.md")
	require.NoError(t, err)
	shown := 0
	for _, path := range append(pages, "../../README.md") {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, block := range regexp.MustCompile("(?s)\n```yaml\n(.*?)```").FindAllSubmatch(text, -1) {
			isPipeline := bytes.Contains(block[1], []byte("\nscript:")) || bytes.Contains(block[1], []byte("extends: "))
			if !regexp.MustCompile(`(?m)^stages:`).Match(block[1]) || isPipeline {
				continue
			}
			shown++
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, "hosts.ini"), []byte("stage1.example.com\n[web]\nweb1\nweb9\n"), 0o600))
			require.NoError(t, os.WriteFile(filepath.Join(dir, "inventory.yaml"), block[1], 0o600))
			_, err := inventory.Load(filepath.Join(dir, "inventory.yaml"), inventory.Options{})
			require.NoError(t, err, "%s: %s", path, block[1])
		}
	}
	assert.Greater(t, shown, 7)
}
