package scripts_test

import (
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/scripts"
)

// record stands in the files of a distribution for a RECORD of the files in site-packages.
const record = "RECORD"

// link is the beginning of a text that stands for a symbolic link.
const link = "-> "

// imports installs a distribution My.App by its files, below the package or below SITE, its site-packages, and
// runs imports.py there. PACKAGE in their texts is the path of the package. It returns the names that were loaded,
// in order, the other records, and the output.
func imports(t *testing.T, files map[string]string) (loaded []string, records map[string]string, output string) {
	t.Helper()
	top, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	runs(t, python, "-I", "-m", "venv", "--without-pip", filepath.Join(top, ".venv"))
	site := sitePackages(t, filepath.Dir(top), filepath.Base(top))
	files = maps.Clone(files)
	files["SITE/my_app-1.dist-info/METADATA"] = "Metadata-Version: 2.1\nName: My.App\nVersion: 1\n"
	if _, recorded := files[record]; recorded {
		delete(files, record)
		lines := []string{"my_app-1.dist-info/RECORD,,", "../../../bin/my-app,,", "../../../share/doc/conf.py,,"}
		for _, path := range slices.Sorted(maps.Keys(files)) {
			if path, inside := strings.CutPrefix(path, "SITE/"); inside {
				lines = append(lines, path+",,", strings.Replace(path, ".py", ".pyc", 1)+",,")
			}
		}
		files["SITE/my_app-1.dist-info/RECORD"] = strings.Join(lines, "\n") + "\n"
	}
	for path, text := range files {
		path = filepath.Join(top, strings.Replace(path, "SITE", site, 1))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		if target, linked := strings.CutPrefix(text, link); linked {
			require.NoError(t, os.Symlink(target, path))
			continue
		}
		require.NoError(t, os.WriteFile(path, []byte(strings.ReplaceAll(text, "PACKAGE", top)), 0o600))
	}
	c := exec.CommandContext(t.Context(), filepath.Join(top, ".venv/bin/python"), "-I", "-B", "-c", scripts.Steps()["imports"], "my-app")
	c.Dir = "/"
	read, theirs, err := os.Pipe()
	require.NoError(t, err)
	c.ExtraFiles = []*os.File{theirs}
	out, _ := c.CombinedOutput() // the records say how it went
	require.NoError(t, theirs.Close())
	text, err := io.ReadAll(read)
	require.NoError(t, err)
	records = map[string]string{}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if records[key] = value; key == "loading" {
			loaded = append(loaded, value)
		}
	}
	return loaded, records, strings.ReplaceAll(string(out), top, "PACKAGE")
}

const entryPoints = "SITE/my_app-1.dist-info/entry_points.txt"

// finder is an import hook as build backends write them: it serves nothing itself.
const finder = "import sys\nclass Finder:\n    def find_spec(self, *_):\n        return None\n"

func TestImportsAreWhatTheDistributionProvides(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		files map[string]string
		want  string
	}{
		"packages and modules":            {map[string]string{"SITE/x.py": "", "SITE/y/__init__.py": "", "SITE/y/z.py": "1/0", record: ""}, "x y"},
		"tests left out":                  {map[string]string{"SITE/a.py": "", "SITE/tests/__init__.py": "1/0", record: ""}, "a"},
		"a namespace":                     {map[string]string{"SITE/acme/billing/__init__.py": "", "SITE/acme/tax/eu/__init__.py": "", "SITE/acme/tax/eu/vat.py": "1/0", record: ""}, "acme.billing acme.tax.eu"},
		"a namespace of modules":          {map[string]string{"SITE/acme/billing.py": "", record: ""}, "acme.billing"},
		"modules beside a package":        {map[string]string{"SITE/app/__init__.py": "", "SITE/migrations/env.py": "1/0", record: ""}, "app"},
		"a record with digests":           {map[string]string{"SITE/a.py": "", "SITE/my_app-1.dist-info/RECORD": "a.py,sha256=2jmj7l5rSw0yVb_vlWAYkK_YBwk,0\n\nb\n"}, "a"},
		"a record with quotes":            {map[string]string{"SITE/a.py": "", "SITE/my_app-1.dist-info/RECORD": "\"a, \"\"old\"\".py\",,\na.py,,\n"}, "a"},
		"without a record":                {map[string]string{"SITE/a.py": "", "SITE/b.py": "", "SITE/my_app-1.dist-info/top_level.txt": "a\nb\n"}, "a b"},
		"by its own name":                 {map[string]string{"SITE/my_app.py": ""}, "my_app"},
		"a module of another one":         {map[string]string{"SITE/my_app-1.dist-info/LICENSE": "", record: ""}, ""},
		"editable, flat":                  {map[string]string{"SITE/_my_app.pth": "PACKAGE", "service/__init__.py": "", "docs/__init__.py": "1/0", "tools/__init__.py": "1/0", "setup.py": "1/0", "noxfile.py": "1/0", record: ""}, "service"},
		"editable, flat, a module":        {map[string]string{"SITE/_my_app.pth": "PACKAGE\n", "service.py": "", "setup.py": "1/0", "static/app.py": "1/0", record: ""}, "service"},
		"editable, flat, a namespace":     {map[string]string{"SITE/_my_app.pth": "PACKAGE/\n", "acme/billing/__init__.py": "", "setup.py": "1/0", record: ""}, "acme.billing"},
		"editable, flat, shared data":     {map[string]string{"SITE/_my_app.pth": "PACKAGE\n", "acme/billing/__init__.py": "", ".shared/upload/__init__.py": "1/0", "media": link + ".shared", record: ""}, "acme.billing"},
		"editable, src":                   {map[string]string{"SITE/_my_app.pth": "PACKAGE/src\n", "src/tools/__init__.py": "", "src/acme/billing/__init__.py": "", "src/one.py": "", "other/__init__.py": "1/0", record: ""}, "acme.billing one tools"},
		"editable, src, listed":           {map[string]string{"SITE/_my_app.pth": "PACKAGE/src\n", "SITE/my_app-1.dist-info/top_level.txt": "acme\n", "src/acme/billing/__init__.py": "", "src/one.py": "1/0", record: ""}, "acme.billing"},
		"editable, elsewhere":             {map[string]string{"SITE/_my_app.pth": "/usr/lib\n", "SITE/a.py": "", record: ""}, "a"},
		"editable, finder of setuptools":  {map[string]string{"SITE/__editable__.my_app.pth": "import __editable___my_app_finder; __editable___my_app_finder.install()", "SITE/__editable___my_app_finder.py": "import sys\nMAPPING = {'service': 'PACKAGE/service', 'acme': 'PACKAGE/acme'}\ndef install():\n    sys.path.append('PACKAGE')\n", "service/__init__.py": "", "acme/billing/__init__.py": "", "other/__init__.py": "1/0", record: ""}, "acme.billing service"},
		"editable, finder of editables":   {map[string]string{"SITE/_my_app.pth": "import _editable_impl_my_app", "SITE/_editable_impl_my_app.py": finder + "sys.path.append('PACKAGE/lib')\nsys.meta_path.append(Finder())\nFinder._redirections = {'service': 'PACKAGE/lib/service/__init__.py'}\n", "lib/service/__init__.py": "", record: ""}, "service"},
		"editable, finder of scikit":      {map[string]string{"SITE/_my_app.pth": "import _my_app_editable", "SITE/_my_app_editable.py": finder + "sys.path.append('PACKAGE/lib')\nsys.meta_path.append(Finder())\nFinder.rebuild_flag = False\nFinder.known_source_files = {'service': 'x', 'service.inner': 'y'}\n", "lib/service/__init__.py": "", record: ""}, "service"},
		"editable, finder of something":   {map[string]string{"SITE/_my_app.pth": "import _my_app_hook", "SITE/_my_app_hook.py": "import sys\nsys.path.append('PACKAGE/lib')\n", "lib/my_app/__init__.py": "", record: ""}, "my_app"},
		"editable, what is not a package": {map[string]string{"SITE/_my_app.pth": "PACKAGE", "service/__init__.py": "", "not-a-name/__init__.py": "1/0", ".hidden/__init__.py": "1/0", "html/index.html": "", record: ""}, "service"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, records, output := imports(t, test.files)
			assert.Empty(t, output)
			assert.Equal(t, test.want, records["imported"])
			assert.Equal(t, test.want == "", records["nothing"] != "")
		})
	}
}

func TestWhyNothingIsImported(t *testing.T) {
	t.Parallel()
	for want, files := range map[string]map[string]string{
		"its distribution contains no packages or modules": {record: ""},
		"its distribution contains only docs, tests":       {"SITE/tests/__init__.py": "1/0", "SITE/docs/__init__.py": "1/0", record: ""},
	} {
		_, records, output := imports(t, files)
		assert.Empty(t, output)
		assert.Equal(t, want, records["nothing"])
		assert.Contains(t, records, "imported")
	}
}

func TestWhatDoesNotImportIsNamed(t *testing.T) {
	t.Parallel()
	script := func(text string) map[string]string {
		return map[string]string{"SITE/app/__init__.py": "value = 1\ndef main(): 1/0\n", "SITE/app/cli.py": "import no_such_module\n", entryPoints: text, record: ""}
	}
	for name, test := range map[string]struct {
		files        map[string]string
		loading, out string
	}{
		"a module":           {map[string]string{"SITE/acme/billing/__init__.py": "import no_such_module", record: ""}, "module acme.billing", "No module named 'no_such_module'"},
		"an extension":       {map[string]string{"SITE/fast.abi3.so": "x", record: ""}, "module fast", "ImportError"},
		"a module that ends": {map[string]string{"SITE/app.py": "raise SystemExit(0)", record: ""}, "module app", ""},
		"a listed module":    {map[string]string{"SITE/my_app-1.dist-info/top_level.txt": "gone\n"}, "module gone", "No module named 'gone'"},
		"no such attribute":  {script("[console_scripts]\nprojecta = app:nope\n"), "script projecta = app:nope", "'app' has no attribute 'nope'"},
		"no function":        {script("[gui_scripts]\nprojecta = app:value\n"), "script projecta = app:value", "app:value is not callable"},
		"no object":          {script("[console_scripts]\nprojecta = app:\n"), "script projecta = app:", "app: is not the name of an object"},
		"two objects":        {script("[console_scripts]\nprojecta = app:main:more\n"), "script projecta = app:main:more", "app:main:more is not the name of an object"},
		"no such module":     {script("[console_scripts]\nprojecta = app.gone:main\n"), "script projecta = app.gone:main", "No module named 'app.gone'"},
		"a script's module":  {script("[console_scripts]\ngood = app:main\nprojecta = app.cli:main\n"), "script projecta = app.cli:main", "No module named 'no_such_module'"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			loaded, records, output := imports(t, test.files)
			require.NotContains(t, records, "imported")
			assert.Equal(t, test.loading, loaded[len(loaded)-1])
			assert.Contains(t, output, test.out)
		})
	}
	// Scripts are loaded, not run. Plugins and what needs an extra are no scripts of this environment.
	loaded, records, output := imports(t, script("[console_scripts]\ngood = app:main\nmore = app.cli:main [extra]\n[some.plugins]\nx = app.cli:main\n"))
	assert.Empty(t, output)
	assert.Equal(t, "app", records["imported"])
	assert.Equal(t, []string{"module app", "script good = app:main"}, loaded)
}

// TestDeniedWriteIsNamed: the directory is read-only for the user who verifies, if that is not root.
func TestDeniedWriteIsNamed(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{"PACKAGE/data/cache.db": "data/cache.db", "/var/lib/app.db": "", "PACKAGE": ""} {
		for _, code := range []string{"raise PermissionError(13, 'Permission denied', '%')", "try:\n    raise OSError(30, 'Read-only', b'%')\nexcept OSError as err:\n    raise RuntimeError('no cache')"} {
			_, records, output := imports(t, map[string]string{"SITE/app.py": strings.ReplaceAll(code, "%", path), record: ""})
			require.Contains(t, records, "denied", output)
			assert.Equal(t, want, records["denied"], output)
		}
	}
}

// TestBackendThatBuildsAtEachImportIsRefused, as editable installations of meson-python do.
func TestBackendThatBuildsAtEachImportIsRefused(t *testing.T) {
	t.Parallel()
	for name, attribute := range map[string]string{"meson-python": "_rebuild = lambda self: 1/0", "scikit-build-core": "rebuild_flag = True"} {
		loader := finder + "    " + attribute + "\nsys.meta_path.insert(0, Finder())\n"
		loaded, records, output := imports(t, map[string]string{"SITE/my-app-editable.pth": "import _my_app_editable_loader", "SITE/_my_app_editable_loader.py": loader, record: ""})
		assert.Empty(t, loaded, name)
		assert.Contains(t, records["unusable"], "builds an editable application again", output)
	}
}
