package sdist

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/name"
)

// readByPython answers, for each PKG-INFO, which names and versions Python's e-mail parser finds in
// it: it is what pip and setuptools read metadata with.
const readByPython = `
import email.parser, json, sys
def read(text):
    message = email.parser.HeaderParser().parsestr(text)
    return [[str(v).strip() for v in message.get_all(name, [])] for name in ("Name", "Version", "Requires-Python")]
json.dump([read(text) for text in json.load(sys.stdin)], sys.stdout)
`

// metadataTexts are PKG-INFO files: good ones, and each with something put in at every line.
func metadataTexts() []string {
	texts := []string{"", "\n", ":", "Name", "Name:", "Name: a", "Name: a\nVersion: 1", "From x\nName: a\nVersion: 1\n", "Name: a\nFrom x\nVersion: 1\n"}
	good := []string{"Metadata-Version: 2.1", "Name: app", "Version: 1.0", "Requires-Python: >=3.8", "Summary: x"}
	for _, more := range []string{
		"", " ", "\t", " more", "\tmore: x", "Name: other", "name: other", "NAME : other", "Name\t: other", " Name: other", "Name: other\rX: y", "X: y\rName: other", "X: y\r\rName: other", "X: y\fName: other",
		"X: y\vName: other", "X: y\u0085Name: other", "X: y\u2028Name: other", "X: y\x1cName: other", "X: y\x00", "no field", "No Field: x", ":", ": x", ":Name: x", "Na\u212ae: other", "\u00a0Name: other", "Version: 2", "Version:2\r",
		"X-\u00e9: y", "\ufeffName: other", "Name: =?utf-8?q?other?=", "Name: \"other\"", "Name: other ", "Requires-Python: <3", "From x", ">From x", "Description: x\n\nName: other", "--", "\r", "\r\r", "X: y\r",
	} {
		for i := range len(good) + 1 {
			lines := append(append(append([]string{}, good[:i]...), more), good[i:]...)
			texts = append(texts, strings.Join(lines, "\n")+"\n", strings.Join(lines, "\r\n"), strings.Join(lines, "\r"))
		}
	}
	return texts
}

// What kis takes for a project's name and version, every tool of Python takes for them.
func TestMetadataIsReadAsPythonReadsIt(t *testing.T) {
	t.Parallel()
	texts := metadataTexts()
	sent, err := json.Marshal(texts)
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", readByPython)
	cmd.Stdin = bytes.NewReader(sent)
	said, err := cmd.Output()
	require.NoError(t, err)
	var python [][3][]string
	require.NoError(t, json.Unmarshal(said, &python))
	require.Len(t, python, len(texts))
	accepted := 0
	for i, text := range texts {
		m, err := parseMetadata([]byte(text))
		if err != nil {
			continue
		}
		accepted++
		assert.Equal(t, []string{m.name}, python[i][0], "%q", text)
		assert.Equal(t, []string{m.version}, python[i][1], "%q", text)
		if m.python != "" {
			assert.Equal(t, strings.Fields(m.python), strings.Fields(strings.Join(python[i][2], "\n")), "%q", text)
		}
	}
	assert.Greater(t, accepted, 200)
	assert.Less(t, accepted, len(texts))
}

// TestVersionsAreComparedAsPEP440Does: hatchling normalizes the version in the name of the directory only.
func TestVersionsAreComparedAsPEP440Does(t *testing.T) {
	t.Parallel()
	for written, normal := range map[string]string{
		"1.0.dev": "1.0.dev0", "0.4.7dev1": "0.4.7.dev1", "v1.0": "1.0", "1.0-1": "1.0.post1", "01.02": "1.2", "1.0RC1": "1.0rc1",
		"1.0+Ab-1": "1.0+ab.1", "1.0a": "1.0a0", "1.0alpha-2": "1.0a2", "1.0-preview_3": "1.0rc3", "1.0.c.4": "1.0rc4", "1.0.post": "1.0.post0",
		"1.0-r4": "1.0.post4", "1.0.post-2.dev-3": "1.0.post2.dev3", "1!02.0": "1!2.0", "1.0+0": "1.0+0",
	} {
		for _, m := range []metadata{{name: "My.App", version: written}, {name: "My.App", version: normal}} {
			require.NoError(t, m.agrees("my_app-"+normal), m.version)
			require.NoError(t, m.agrees("My.App-"+written), m.version)
		}
	}
	for written, other := range map[string]string{"1.0": "1.0.dev0", "1.2": "1.3", "1.0a1": "1.0b1", "1.0rc1": "1.0rc2", "10": "1", "1.0.dev1": "1.0.dev"} {
		require.Error(t, metadata{name: "app", version: written}.agrees("app-"+other), written)
	}
}

// FuzzParseMetadata: no text makes the parser panic, and what it accepts names a package.
func FuzzParseMetadata(f *testing.F) {
	for _, text := range metadataTexts()[:60] {
		f.Add([]byte(text))
	}
	f.Add([]byte("Name: ki\u017f\nVersion: 1\n"))
	f.Add(fmt.Appendf(nil, "Name: %s\nVersion: 1\n", strings.Repeat("a", 300)))
	f.Add([]byte("Name: ../x\nVersion: 1\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := parseMetadata(text)
		if err != nil {
			return
		}
		p, err := name.PackageOf(m.name, m.version)
		require.NoError(t, err)
		require.NoError(t, m.agrees(p.String()))
		require.NotContains(t, m.python, "\n\n")
		again, err := parseMetadata(fmt.Appendf(nil, "Name: %s\nVersion: %s\n", m.name, m.version))
		require.NoError(t, err)
		require.Equal(t, m.name, again.name)
		require.Equal(t, m.version, again.version)
	})
}
