package pybuild

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/keep-it-simple/kis/internal/sdist"
	"github.com/keep-it-simple/kis/internal/wheel"
)

// Wheel builds the wheel of a source distribution with the project's build backend: setuptools,
// where it names none. The wheel is what every host would make of the archive, and depends on no
// host; a setup.py that decides by the machine it runs on decides by this one. Builder and Exclude
// do not count, and nothing is read in Dir.
//
// The hooks run in a private build environment with everything that the project requires. It is
// kept: a build with the same requirements needs no index. Site settings do not reach it, but for
// those that say where packages come from: pip's index, its proxies and certificates. The hooks see
// a copy of the archive's files in a temporary directory, no terminal and empty standard input.
// They run in a process group that is terminated (TERM, then KILL) when ctx ends.
//
// Errors are *Error. One that wraps wheel.ErrNotPure means that the wheel depends on the machine
// that builds it, or that the backend makes no editable wheels. Any other says why this machine
// cannot build it: there is no venv, the index cannot be reached, a hook fails. In both cases a
// host may still build the archive. errors.Is finds the cause of ctx. That a wheel is not pure is
// remembered for a week, while the project's files and their names stay the same.
func Wheel(ctx context.Context, a *sdist.Archive, opts Options) (*wheel.Archive, error) {
	b := newBuilder(opts)
	w, err := b.wheel(ctx, a, opts.Editable)
	if err == nil {
		if made, err := b.madeFile(a); err == nil {
			replaceFile(made, nil)
		}
		return w, nil
	}
	failure := b.failed(err)
	failure.Dir = a.Path
	return nil, failure
}

// HasBuiltWheel reports whether Wheel has succeeded for an archive with the same content within the last
// weeks. Then hosts probably have it.
func HasBuiltWheel(a *sdist.Archive, opts Options) bool {
	made, err := newBuilder(opts).madeFile(a)
	if err != nil {
		return false
	}
	_, err = os.Stat(made)
	return err == nil
}

// madeFile is the empty file that says that a wheel was made of an archive.
func (b *builder) madeFile(a *sdist.Archive) (string, error) {
	cache, err := b.cacheDir()
	sum := sha256.Sum256([]byte(a.Content))
	return filepath.Join(cache, "wheels", hex.EncodeToString(sum[:16])), err
}

func (b *builder) wheel(ctx context.Context, a *sdist.Archive, editable bool) (*wheel.Archive, error) {
	if err := b.resolvePaths(); err != nil {
		return nil, err
	}
	python, err := b.identify(ctx, b.python)
	if err != nil {
		return nil, err
	}
	if err := b.makeTemporary(); err != nil {
		return nil, err
	}
	defer os.RemoveAll(b.temp) //nolint:errcheck // the build's own result matters more
	source, err := unpack(a, filepath.Join(b.temp, a.Package.String()))
	if err != nil {
		return nil, fmt.Errorf("unpack: %w", err)
	}
	h := wheelHook(source.dir, b.out(), editable)
	memoryFile, err := b.memoryFile(python, h, append(slices.Sorted(a.Paths()), os.TempDir())...)
	if err != nil {
		return nil, err
	}
	if found := recallImpure(memoryFile + impure); found != nil {
		return nil, found
	}
	w, err := b.wheelOf(ctx, a, source, python, h)
	if errors.Is(err, wheel.ErrNotPure) {
		replaceFile(memoryFile+impure, []byte(err.Error()))
	}
	return w, err
}

func wheelHook(source, out string, editable bool) hook {
	if editable {
		return hook{
			kind: "editable", source: source, out: out, name: func(string) string { return "hook build_editable" },
			hint: "to see it without kis, run in a virtual environment: pip install -e .",
		}
	}
	return hook{kind: "wheel", source: source, out: out, name: func(python string) string { return python + " -m build --wheel" }}
}

// wheelOf calls the hook and reads the wheel.
func (b *builder) wheelOf(ctx context.Context, a *sdist.Archive, source *tree, python interpreter, h hook) (*wheel.Archive, error) {
	if _, set := os.LookupEnv("SOURCE_DATE_EPOCH"); !set {
		b.run.env = append(b.run.env, "SOURCE_DATE_EPOCH=315532800") // 1980, the first year of zip
	}
	editable := h.kind == "editable"
	switch err := b.call(ctx, python, h); {
	case errors.Is(err, errNoHook) && editable:
		return nil, fmt.Errorf("%w: %w", wheel.ErrNotPure, err)
	case err != nil:
		return nil, err
	}
	return b.readWheel(a, source, editable)
}

// readWheel reads what the hook has built.
func (b *builder) readWheel(a *sdist.Archive, unpacked *tree, editable bool) (*wheel.Archive, error) {
	built, err := fs.Glob(os.DirFS(b.out()), "*.whl")
	switch {
	case err != nil:
		return nil, err
	case len(built) != 1:
		return nil, fmt.Errorf("the build backend made %d wheels instead of one", len(built))
	}
	var source *wheel.Source
	if editable {
		made, err := unpacked.generated()
		if err != nil {
			return nil, err
		}
		source = &wheel.Source{Dir: unpacked.dir, Temporary: filepath.Base(b.temp), Made: made}
	}
	w, err := wheel.Read(filepath.Join(b.out(), built[0]), source)
	if err != nil {
		return nil, err
	}
	if !w.Is(a.Name, a.Version) {
		return nil, errors.Join(fmt.Errorf("the wheel is of %s %s, the source distribution of %s %s",
			sdist.Quoted(w.Project), sdist.Quoted(w.Version), sdist.Quoted(a.Name), sdist.Quoted(a.Version)), w.Close())
	}
	return w, nil
}
