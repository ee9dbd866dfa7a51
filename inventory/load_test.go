package inventory

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func write(t *testing.T, path, text string) string {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestFindReturnsNearest(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	upper := write(t, filepath.Join(dir, "inventory.yaml"), ok)
	lower := write(t, filepath.Join(dir, "a", "inventory.yml"), ok)
	deep := filepath.Join(dir, "a", "b", "c")
	require.NoError(t, os.MkdirAll(deep, 0o755))
	require.NoError(t, os.MkdirAll(filepath.Join(deep, "inventory.yaml"), 0o755), "a directory of that name is no inventory")

	found, err := Find(deep)
	require.NoError(t, err)
	assert.Equal(t, lower, found)
	found, err = Find(dir)
	require.NoError(t, err)
	assert.Equal(t, upper, found)
}

func TestFindRefusesTwoInOneDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := write(t, filepath.Join(dir, "inventory.yaml"), ok)
	second := write(t, filepath.Join(dir, "inventory.yml"), ok)
	_, err := Find(dir)
	require.EqualError(t, err, "find inventory: both "+first+" and "+second+" exist; remove one of them or choose with --inventory")
}

func TestFindNamesSearchedDirectories(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := Find(dir)
	require.ErrorIs(t, err, ErrNotFound)
	require.EqualError(t, err, "no inventory found: looked for inventory.yaml and inventory.yml in "+dir+" and every directory above it; "+
		"write one with kis init, or name it with --inventory")
}

func TestFindReportsUnreadableInventory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "inventory.yaml"), ok)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "sub"), 0o755))
	loop := filepath.Join(dir, "sub", "inventory.yaml")
	require.NoError(t, os.Symlink(loop, loop))
	_, err := Find(filepath.Join(dir, "sub"))
	require.ErrorContains(t, err, "find inventory: stat "+loop)
}

func TestLoadKeepsPath(t *testing.T) {
	t.Parallel()
	path := write(t, filepath.Join(t.TempDir(), "inventory.yaml"), ok)
	inv, err := Load(path, Options{})
	require.NoError(t, err)
	assert.Equal(t, path, inv.Path())
	assert.Equal(t, filepath.Dir(path), inv.Dir())
}

func TestLoadNamesTheFileInErrors(t *testing.T) {
	t.Parallel()
	path := write(t, filepath.Join(t.TempDir(), "inventory.yaml"), "rot: /x\n"+ok)
	_, err := Load(path, Options{})
	require.ErrorContains(t, err, path+":1:1: unknown key \"rot\"; did you mean \"root\"?")
	_, err = Load(path+".gone", Options{})
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestLoadRefusesADirectory(t *testing.T) {
	t.Parallel()
	_, err := Load(t.TempDir(), Options{})
	require.ErrorContains(t, err, "is a directory; name the file, or, if it is an Ansible inventory: ")
}

func TestAStageThatIsNotOne(t *testing.T) {
	t.Parallel()
	inv := accepted(t, "groups: {web: {hosts: [a]}}\nstages: {s: {hosts: [web]}}\n")
	_, err := inv.Stage("web")
	require.ErrorContains(t, err, `; "web" is a group: name a stage, and narrow it with --hosts @web`)
	_, err = inv.Stage("a")
	require.ErrorContains(t, err, `; "a" is a host: name a stage, and narrow it with --hosts a`)
}

func TestLoadRefusesLargeFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	comment := "#" + strings.Repeat("x", maxSize-len(ok)-2) + "\n"
	_, err := Load(write(t, filepath.Join(dir, "fits"), comment+ok), Options{})
	require.NoError(t, err)
	for _, start := range []string{"", "\ufeff"} {
		_, err = Load(write(t, filepath.Join(dir, "large"), start+comment+ok+"#"), Options{})
		require.EqualError(t, err, filepath.Join(dir, "large")+":1:1: larger than 1048576 bytes; this is not an inventory")
	}
}

func TestPasswordsAreNeverShown(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	for name, src := range map[string]string{
		"good URL, other mistake":      "install: {index_url: 'https://u:hunter2@h/x', mode: bad}\n" + ok,
		"token as user":                "install: {index_url: 'https://hunter2@h/x', mode: bad}\n" + ok,
		"token in a query":             "install: {index_url: 'https://h/x?t=hunter2', mode: bad}\n" + ok,
		"wrong scheme":                 "install: {index_url: 'ftp://u:hunter2@h/x'}\n" + ok,
		"no scheme":                    "install: {index_url: 'u:hunter2@h/x'}\n" + ok,
		"space in the password":        "install: {index_url: 'https://u:a hunter2@h/x'}\n" + ok,
		"block":                        "install:\n  index_url: >-\n    ftp://u:hunter2@h/x\n" + ok,
		"mistyped key":                 "install: {indexurl: 'https://u:hunter2@h/x'}\n" + ok,
		"other key":                    "root: 'https://u:hunter2@h/x'\n" + ok,
		"long password in another key": "root: 'https://u:" + strings.Repeat("x", 90) + "hunter2@h/x'\n" + ok,
		"escaped slashes":              `install: {indexurl: "https:\/\/u:hunter2@h"}` + "\n" + ok,
		"no YAML":                      "install: {index_url: 'https://u:hunter2@h/x'\n" + ok,
		"extra index":                  "install: {extra_index_urls: ['https://h/x?t=hunter2'], mode: bad}\n" + ok,
		"extra index, bad":             "install: {extra_index_urls: ['ftp://h/x?t=hunter2']}\n" + ok,
		"extra index, block":           "install:\n  extra_index_urls:\n    # first\n    - https://h/x?t=1\n    - ftp://h/x?t=hunter2\n" + ok,
		"extra index, lines":           "install: {extra_index_urls: [\n  https://h/x?t=1,\n\n  'ftp://h/x?t=hunter2']}\n" + ok,
		"extra index, no YAML":         "install:\n  extra_index_urls:\n    - 'https://h/x?t=hunter2'x\n" + ok,
		"extra index as a mapping":     "install:\n  extra_index_urls:\n    - {https: //h/x?t=hunter2}\n" + ok,
		"duplicate":                    "install:\n  index_url: https://u:hunter2@h\n  index_url: https://u:hunter2@h\n" + ok,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse("i", []byte(src), nil)
			require.Error(t, err)
			assert.NotContains(t, err.Error(), secret)
		})
	}
}

func TestMaskKeepsCaret(t *testing.T) {
	t.Parallel()
	_, err := Parse("i", []byte("hosts: {a: {address: 'ftp://ü:pw@h'}, b: 1}\n"+ok), nil)
	require.EqualError(t, err, `i:1:22: hosts.a.address: "ftp:******@h" is not a host name; the user goes into ssh: {user: …}`+"\n"+
		"  hosts: {a: {address: 'ftp:******@h'}, b: 1}\n"+
		"                       ^\n"+
		"i:1:42: hosts.b: want a mapping such as {address: 192.0.2.11}, got a number\n"+
		"  hosts: {a: {address: 'ftp:******@h'}, b: 1}\n"+
		"                                           ^")
}

func TestInstallPrintsWithoutCredentials(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"https://u:hunter2@h/x", "https://hunter2@h/x", "https://h/x?t=hunter2"} {
		inv := accepted(t, "install: {requirements: r, wheels: w, index_url: '"+url+"', extra_index_urls: ['"+url+"']}\n"+ok)
		for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
			printed := sprint(format, inv, inv.Install())
			assert.NotContains(t, printed, "hunter2", format)
		}
	}
}

// sprint prints values in the format.
func sprint(format string, values ...any) string {
	var b strings.Builder
	for _, v := range values {
		fmt.Fprintf(&b, format, v)
	}
	return b.String()
}

func TestStagesNeedNoOtherFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for src, want := range map[string][]string{
		"ansible: gone.ini\nstages: {a: {hosts: [web]}, b: , 'No': }\n": {"a", "b"},
		"dynamic: false\nstages: {a: }\n":                               {"a"},
		"stages: [a]\n":                                                 nil,
		"stages: {":                                                     nil,
		"":                                                              nil,
	} {
		assert.Equal(t, want, Stages(write(t, filepath.Join(dir, "inventory.yaml"), src)), src)
	}
	assert.Empty(t, Stages(filepath.Join(dir, "gone.yaml")))
	assert.Empty(t, Stages(write(t, filepath.Join(dir, "large.yaml"), strings.Repeat("#\n", maxSize))))
}
