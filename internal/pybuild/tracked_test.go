package pybuild

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// gitProject commits a project in a new repository, below the directory prefix of it, and returns its
// directory and a function that runs git there.
func gitProject(t *testing.T, prefix string, files map[string]string) (dir string, git func(args ...string) string) {
	t.Helper()
	dir = filepath.Join(projectOf(t, map[string]string{"README.md": "x\n"}), prefix)
	git = func(args ...string) string {
		t.Helper()
		args = append([]string{"-C", dir, "-c", "user.name=ann", "-c", "user.email=ann@example.org"}, args...)
		out, err := exec.CommandContext(t.Context(), "git", args...).CombinedOutput()
		require.NoError(t, err, string(out))
		return strings.TrimSpace(string(out))
	}
	for name, data := range files {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(data), 0o644))
	}
	git("init", "-q", strings.TrimSuffix(dir, prefix))
	git("add", "-A", ".")
	git("commit", "-q", "-m", "first")
	return dir, git
}

// packing is a setup.py that packs the files that PACKED names, as far as they exist: setuptools does what
// these tests need as well, and takes seconds.
const packing = `import io, os, sys, tarfile
with tarfile.open(sys.argv[sys.argv.index("--dist-dir") + 1] + "/shop-0.1.tar.gz", "w:gz") as tar:
    info = b"Metadata-Version: 2.1\nName: shop\nVersion: 0.1\n"
    member = tarfile.TarInfo("shop-0.1/PKG-INFO")
    member.size = len(info)
    tar.addfile(member, io.BytesIO(info))
    for name in open("PACKED").read().split():
        if os.path.exists(name):
            tar.add(name, "shop-0.1/" + name)
`

func shop() map[string]string {
	return map[string]string{
		"setup.py":                   packing,
		"PACKED":                     "setup.py PACKED shop/__init__.py shop/local.py inventory.yaml generated.txt",
		"shop/__init__.py":           "value = 1\n",
		"shop/templates/index.html":  "<h1>shop</h1>\n",
		"tests/test_shop.py":         "",
		".github/workflows/test.yml": "",
		"Makefile":                   "",
		"manage.py":                  "",
		"generated.txt":              "",
		"inventory.yaml":             "stages: {live: {hosts: [web1]}}\n",
	}
}

// TestFilesThatTheArchiveLacksAreNamed: an application without its templates is installed without an
// error, and fails at the first request.
func TestFilesThatTheArchiveLacksAreNamed(t *testing.T) {
	t.Parallel()
	dir, git := gitProject(t, "", shop())
	a := mustBuild(t, Options{Dir: dir, Builder: "setup.py"})
	assert.Equal(t, []string{"tracked by git, but not in the archive: manage.py, shop/templates/index.html. Add to MANIFEST.in: include manage.py; include shop/templates/index.html; or declare them export-ignore in .gitattributes"}, a.Warnings)

	require.NoError(t, os.WriteFile(filepath.Join(dir, "PACKED"), []byte("setup.py PACKED shop manage.py generated.txt inventory.yaml"), 0o644))
	assert.Empty(t, mustBuild(t, Options{Dir: dir, Builder: "setup.py"}).Warnings)

	require.NoError(t, os.WriteFile(filepath.Join(dir, "PACKED"), []byte("setup.py PACKED shop generated.txt inventory.yaml"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, ".gitattributes"), []byte("manage.py export-ignore\n"), 0o644))
	git("add", ".gitattributes")
	assert.Empty(t, mustBuild(t, Options{Dir: dir, Builder: "setup.py"}).Warnings, "left out on purpose")
}

// TestTheInventoryIsNoContent: a change of it must not need a new version of the application.
func TestTheInventoryIsNoContent(t *testing.T) {
	t.Parallel()
	dir, _ := gitProject(t, "", shop())
	inventory := filepath.Join(dir, "inventory.yaml")
	first := mustBuild(t, Options{Dir: dir, Builder: "setup.py"})
	_, there := first.Find("inventory.yaml")
	require.True(t, there)
	with := mustBuild(t, Options{Dir: dir, Builder: "setup.py", Exclude: inventory})
	_, there = with.Find("inventory.yaml")
	assert.False(t, there)
	assert.NotContains(t, strings.Join(with.Warnings, "\n"), "inventory", "it is no omission either")
	require.NoError(t, os.WriteFile(inventory, []byte("stages: {live: {hosts: [web2]}}\n"), 0o644))
	assert.Equal(t, with.Content, mustBuild(t, Options{Dir: dir, Builder: "setup.py", Exclude: inventory}).Content)
}

// TestAnUntrackedFileInTheArchiveMakesTheRevisionDirty: no commit has what was built.
func TestAnUntrackedFileInTheArchiveMakesTheRevisionDirty(t *testing.T) {
	t.Parallel()
	dir, git := gitProject(t, "", shop())
	head := git("rev-parse", "--short=12", "HEAD")
	assert.Equal(t, head, Revision(t.Context(), dir, mustBuild(t, Options{Dir: dir, Builder: "setup.py"})))
	require.NoError(t, os.WriteFile(filepath.Join(dir, ".gitattributes"), []byte("generated.txt export-ignore\n"), 0o644))
	git("add", ".gitattributes")
	git("commit", "-q", "-m", "attributes")
	head = git("rev-parse", "--short=12", "HEAD")
	assert.Equal(t, head, Revision(t.Context(), dir, mustBuild(t, Options{Dir: dir, Builder: "setup.py"})), "what need not be in an archive is tracked all the same")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "notes"), nil, 0o644))
	assert.Equal(t, head, Revision(t.Context(), dir, mustBuild(t, Options{Dir: dir, Builder: "setup.py"})), "it is not in the archive")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "shop", "local.py"), nil, 0o644))
	assert.Equal(t, head+"+", Revision(t.Context(), dir, mustBuild(t, Options{Dir: dir, Builder: "setup.py"})))
}

// TestACheckoutIsClean builds what was committed, in a project below the top of its repository.
func TestACheckoutIsClean(t *testing.T) {
	t.Parallel()
	dir, git := gitProject(t, "apps/shop/", shop())
	first := git("rev-parse", "HEAD")
	git("tag", "v1")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "shop", "local.py"), nil, 0o644))
	git("add", "-A", ".")
	git("commit", "-q", "-m", "second")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "shop", "__init__.py"), []byte("value = 2\n"), 0o644))
	before := git("status", "--porcelain")

	tree, err := Checkout(t.Context(), dir, "v1")
	require.NoError(t, err)
	at, err := tree.At(dir)
	require.NoError(t, err)
	elsewhere, err := tree.At(os.TempDir())
	require.NoError(t, err)
	assert.Equal(t, os.TempDir(), elsewhere)
	a := mustBuild(t, Options{Dir: at, Builder: "setup.py"})
	_, there := a.Find("shop/local.py")
	assert.False(t, there)
	assert.Equal(t, first[:12], Revision(t.Context(), at, a))
	tree.Remove()
	assert.NoDirExists(t, at)
	assert.Equal(t, before, git("status", "--porcelain"), "the user's repository is only read")
	assert.NotContains(t, git("worktree", "list"), at)

	for _, rev := range []string{"nowhere", "--all", "HEAD:setup.py"} {
		_, err := Checkout(t.Context(), dir, rev)
		require.ErrorContains(t, err, rev)
	}
	_, err = Checkout(t.Context(), setupProject(t), "v1")
	assert.ErrorContains(t, err, "not a git repository")
}

// TestWhatOnlyDevelopersUseIsNotMissed: a warning that is wrong for most projects is not read.
func TestWhatOnlyDevelopersUseIsNotMissed(t *testing.T) {
	t.Parallel()
	files := shop()
	for _, name := range []string{
		"examples/shop.py", "benchmarks/run.py", "CITATION.cff", "towncrier.toml", "AUTHORS", "Vagrantfile", "shop/tests/test_views.py", "Tests/images/one.png",
		"tools/build.py", "news/__init__.py", "news/item.html", // news is a package of the application
	} {
		files[name] = "x\n"
	}
	dir, git := gitProject(t, "", files)
	require.NoError(t, os.Symlink("templates", filepath.Join(dir, "shop", "latest")))
	git("add", "-A", ".")
	git("commit", "-q", "-m", "second")
	a := mustBuild(t, Options{Dir: dir, Builder: "setup.py"})
	want := "tracked by git, but not in the archive: manage.py, news/__init__.py, news/item.html and 1 more. " +
		"Add to MANIFEST.in: include manage.py; recursive-include news *.py; recursive-include news *.html; recursive-include shop *.html; " +
		"or declare them export-ignore in .gitattributes"
	assert.Equal(t, []string{want}, a.Warnings)
}

func TestTheRemedyIsThatOfTheBackend(t *testing.T) {
	t.Parallel()
	for backend, want := range map[string]string{
		"":                        "Add to MANIFEST.in: include a.txt",
		"setuptools.build_meta":   "Add to MANIFEST.in: include a.txt",
		"hatchling.build":         "Add them to [tool.hatch.build.targets.sdist] include in pyproject.toml",
		"flit_core.buildapi":      "Add them to [tool.flit.sdist] include in pyproject.toml",
		"poetry.core.masonry.api": "Add them to [tool.poetry] include in pyproject.toml",
		"pdm.backend":             "Add them to [tool.pdm.build] includes in pyproject.toml",
		"uv_build":                "Add them to [tool.uv.build-backend] source-include in pyproject.toml",
		"maturin":                 "Add them to [tool.maturin] include in pyproject.toml",
		"scikit_build_core.build": "Add them to [tool.scikit-build] sdist.include in pyproject.toml",
		"mesonpy":                 "Tell the build backend to include them",
	} {
		text := "[build-system]\nrequires = [\"hatchling\", \"maturin\"]\n"
		if backend != "" {
			text += "build-backend = \"" + backend + "\"\n"
		}
		b := newBuilder(Options{Dir: projectOf(t, map[string]string{"pyproject.toml": text})})
		assert.Equal(t, want+leftOut, b.remedy([]string{"a.txt"}), backend)
	}
}

// TestWhatBuildsWriteDoesNotMakeTheRevisionDirty, as they do it in popular projects.
func TestWhatBuildsWriteDoesNotMakeTheRevisionDirty(t *testing.T) {
	t.Parallel()
	files := shop()
	files["shop/fast.pyx"] = ""
	files["certs/ca.pem"] = ""
	files["PACKED"] = "setup.py PACKED shop linked AUTHORS ChangeLog"
	dir, git := gitProject(t, "", files)
	require.NoError(t, os.Symlink("certs", filepath.Join(dir, "linked")))
	git("add", "-A", ".")
	git("commit", "-q", "-m", "second")
	head := git("rev-parse", "--short=12", "HEAD")
	for name, text := range map[string]string{"shop/version.py": "version = '0.1'\n", "shop/fast.c": "", "shop/fast_api.h": "", "AUTHORS": "", "ChangeLog": ""} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	assert.Equal(t, head, Revision(t.Context(), dir, mustBuild(t, Options{Dir: dir, Builder: "setup.py"})))
	for name, text := range map[string]string{"shop/version.py": "version = '0.2'\n", "shop/settings.py": "version = '0.1'\n", "shop/templates/fast.c": ""} {
		path := filepath.Join(dir, name)
		before, err := os.ReadFile(path)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		assert.Equal(t, head+"+", Revision(t.Context(), dir, mustBuild(t, Options{Dir: dir, Builder: "setup.py"})), name)
		if err == nil {
			require.NoError(t, os.WriteFile(path, before, 0o644))
		} else {
			require.NoError(t, os.Remove(path))
		}
	}
}
