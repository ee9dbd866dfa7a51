package requirements_test

import (
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/requirements"
)

const lockHead = "lock-version = '1.0'\ncreated-by = 'test'\n"

// TestPylock: a lock file of PEP 751 becomes requirements with hashes.
func TestPylock(t *testing.T) {
	t.Parallel()
	pip := newOracle(t)
	lib := wheel(t, "lib", "1")
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte(lib)))
	dir := project(t, map[string]string{"vendor/lib-1-py3-none-any.whl": lib, "pylock.toml": `lock-version = "1.0"
environments = ["sys_platform == 'linux'"]
requires-python = ">=3.8"
extras = ["PG_x", "s3"]
dependency-groups = ["main", "test"]
default-groups = ["main"]
created-by = "test"
[[packages]]
name = "project-a"
directory = {path = ".", editable = true}
[[packages]]
name = "attrs"
version = "25.1.0"
requires-python = ">=3.8"
index = "https://pypi.org/simple"
sdist = {name = "attrs-25.1.0.tar.gz", url = "https://files.example/attrs-25.1.0.tar.gz", size = 9, hashes = {sha256 = "` + sumB + `", md5 = "00"}}
[[packages.wheels]]
name = "attrs-25.1.0-py3-none-any.whl"
upload-time = 2025-01-25T11:30:10.164985+00:00
url = "https://files.example/attrs-25.1.0-py3-none-any.whl"
hashes = {sha256 = "` + strings.ToUpper(sumA) + `"}
[[packages.attestation-identities]]
kind = "GitHub"
[[packages]]
name = "marked"
version = "1"
marker = "python_version > '3' and ('pg-x' in extras or sys_platform == 'win32')"
wheels = [{url = "https://files.example/marked-1-py3-none-any.whl", hashes = {sha256 = "` + sumA + `"}}]
[[packages]]
name = "other"
version = "1"
marker = "'s3' in extras"
wheels = [{url = "https://files.example/other-1-py3-none-any.whl", hashes = {sha256 = "` + sumA + `"}}]
[[packages]]
name = "grouped"
marker = "'main' in dependency_groups or 'test' in dependency_groups"
wheels = [{url = "https://files.example/grouped-2.1-py3-none-any.whl", hashes = {sha512 = "` + sumA + `"}}]
[[packages]]
name = "tested"
version = "1"
marker = "'test' in dependency_groups"
wheels = [{url = "https://files.example/tested-1-py3-none-any.whl", hashes = {sha256 = "` + sumA + `"}}]
[[packages]]
name = "lib"
marker = "python_version > '3'"
archive = {path = "vendor/lib-1-py3-none-any.whl", hashes = {sha256 = "` + sum + `"}}
[[packages]]
name = "far"
archive = {url = "https://files.example/far.zip", subdirectory = "x", hashes = {sha256 = "` + sumB + `"}}
[tool.x]
y = 1
`})
	path := filepath.Join(dir, "pylock.toml")
	o := options(dir, nil)
	o.Extras = []string{"pg-x"}
	f, err := requirements.Read(t.Context(), path, o)
	require.NoError(t, err)
	require.Equal(t, "attrs==25.1.0 --hash=sha256:"+sumA+" --hash=sha256:"+sumB+"\n"+
		"marked==1 ; python_version > '3' --hash=sha256:"+sumA+"\n"+
		"grouped==2.1 --hash=sha512:"+sumA+"\n"+
		"lib @ file://${KIS_LOCALS}/lib-1-py3-none-any.whl#sha256="+sum+" ; python_version > '3' --hash=sha256:"+sum+"\n"+
		"far @ https://files.example/far.zip#subdirectory=x --hash=sha256:"+sumB+"\n", f.Text)
	require.True(t, f.Hashed)
	require.Equal(t, []string{"pylock.toml:8: project-a"}, f.Dropped)
	require.Equal(t, ">=3.8", f.RequiresPython)
	require.Equal(t, []string{"sys_platform == 'linux'"}, f.Environments)
	require.Empty(t, f.Notices)
	require.Len(t, f.Locals, 1)

	host := t.TempDir()
	write(t, filepath.Join(host, "requirements.txt"), f.Text)
	read := pip.read(t, host, map[string]string{requirements.LocalsVariable: host}, named{"requirements.txt", false})
	require.Empty(t, read.Error)
	require.Len(t, read.Requirements, 5)
	require.Equal(t, map[string][]string{"sha256": {sumA, sumB}}, read.Requirements[0].Hashes)
	require.Equal(t, `python_version > "3"`, read.Requirements[1].Marker)
}

// TestExtrasOfALockFile: a file for one purpose does not say which extras it has.
func TestExtrasOfALockFile(t *testing.T) {
	t.Parallel()
	dir := project(t, map[string]string{"pylock.web.toml": lockHead})
	path := filepath.Join(dir, "pylock.web.toml")
	o := options(dir, nil)
	o.Extras = []string{"pg"}
	f, err := requirements.Read(t.Context(), path, o)
	require.NoError(t, err)
	require.Equal(t, []string{"pylock.web.toml does not say which extras it was made for: is pg among them?"}, f.Notices)
	require.False(t, f.Hashed)
}

// TestRefusedLockFiles by name and line.
func TestRefusedLockFiles(t *testing.T) {
	t.Parallel()
	const index = "wheels = [{url = 'https://h/x-1-py3-none-any.whl', hashes = {sha256 = '" + sumA + "'}}]\n"
	pkg := func(text string) string { return lockHead + "\n[[packages]]\nname = 'x'\n" + text }
	for name, test := range map[string]struct{ text, want string }{
		"not TOML":           {"lock-version = '1.0'\n[[packages]\n", `:3: is not TOML: expected end of table array name delimiter ']', but got '\n' instead`},
		"no lock file":       {"x = 1\n", ": has no lock-version; it is not a lock file of PEP 751"},
		"another version":    {"lock-version = '2.0'\n", ": has lock-version 2.0; kis reads version 1"},
		"another type":       {"lock-version = 1\n", ": is not a lock file: "},
		"extra":              {lockHead + "extras = ['a']\n", ": was made without the extra pg; make it again with it"},
		"name":               {lockHead + "[[packages]]\nname = '-e'\n" + index, `:3: "-e" is not the name of a project`},
		"no source":          {pkg("version = '1'\n"), `:4: "x" has 0 sources; PEP 751 wants one of wheels and sdist, archive, directory, vcs`},
		"two sources":        {pkg(index + "directory = {path = '.'}\n"), `:4: "x" has 2 sources; PEP 751 wants one of wheels and sdist, archive, directory, vcs`},
		"git":                {pkg("vcs = {type = 'git', url = 'https://h/x', commit-id = '00'}\n"), `:4: "x" comes from a repository, for which pip has no hashes; build a wheel of it, or write a file without hashes (uv export --format requirements-txt --no-hashes)`},
		"directory":          {pkg("directory = {path = 'lib'}\n"), `:4: "x (lib)" is a directory of this machine, which hosts do not have; build a wheel of it (pip wheel --no-deps -w vendor DIRECTORY) and name that file here`},
		"no version":         {pkg("wheels = [{url = 'https://h/x', hashes = {sha256 = '" + sumA + "'}}]\n"), `:4: "x" has no version`},
		"version":            {pkg("version = '1 --pre'\n" + index), `:4: "x" has no version`},
		"no hash":            {pkg("version = '1'\nwheels = [{url = 'https://h/x', hashes = {md5 = '00'}}]\n"), `:4: "x" has a file without a sha256, sha384 or sha512`},
		"hash":               {pkg("version = '1'\nwheels = [{url = 'https://h/x', hashes = {sha256 = '00 --pre'}}]\n"), `:4: "x" has a file without a sha256, sha384 or sha512`},
		"several local ones": {pkg("version = '1'\nwheels = [{path = 'x', hashes = {sha256 = '00'}}, {path = 'y', hashes = {sha256 = '00'}}]\n"), `:4: "x" has several files, some of them of this machine; put those into install.wheels of the inventory, or lock one of them`},
		"another local one":  {pkg("version = '1'\nwheels = [{path = 'x-1-py3-none-any.whl', hashes = {sha256 = '00'}}]\n"), `:4: "x (x-1-py3-none-any.whl)" has the hash of another file; x-1-py3-none-any.whl has sha256=6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b`},
		"address":            {pkg("archive = {url = 'https://h/x y', hashes = {sha256 = '00'}}\n"), `:4: "x" has an archive without an http:// or https:// address`},
		"variable":           {pkg("archive = {url = 'https://h/${HOME}', hashes = {sha256 = '00'}}\n"), `:4: "x" has characters with a meaning in requirements files`},
		"line in a marker":   {pkg("version = '1'\nmarker = \"os_name == 'a\\n--pre'\"\n" + index), `:4: "x" has characters with a meaning in requirements files`},
		"marker":             {pkg("version = '1'\nmarker = 'x'\n" + index), `:4: "x" has a marker with x, which is neither a variable of markers nor a text`},
		"marker of extras":   {pkg("version = '1'\nmarker = \"extras == 'a'\"\n" + index), `:4: "x" has a marker with extras in a place where it has no meaning`},
		"operator of extras": {pkg("version = '1'\nmarker = \"'a' == extras\"\n" + index), `:4: "x" has a marker with extras that is not "name" in extras`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := project(t, map[string]string{"pylock.toml": test.text, "x-1-py3-none-any.whl": "1", "lib/setup.py": ""})
			path := filepath.Join(dir, "pylock.toml")
			o := options(dir, nil)
			if name == "extra" {
				o.Extras = []string{"pg"}
			}
			_, err := requirements.Read(t.Context(), path, o)
			require.Error(t, err)
			require.True(t, strings.HasPrefix(err.Error(), path+test.want), "%v", err)
		})
	}
}
