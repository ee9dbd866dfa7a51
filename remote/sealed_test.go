package remote_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/remote"
)

func TestChangedPackageIsNeitherReusedNorLinked(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]string{
		"bytes":      "chmod u+w version && printf 2 >>version && chmod u-w version",
		"same size":  "chmod u+w version && printf 2 >version && chmod u-w version",
		"mode":       "chmod u+x version",
		"new file":   "touch new",
		"file gone":  "rm -f version",
		"other kind": "rm -f version && ln -s PKG-INFO version",
		"renamed":    "mv version noisrev",
		"a log line": "echo x >>.kis/build.log",
		"a time":     "touch -d @1 version",
		"a pipe":     "mkfifo pipe",
		// The manifest is a part of the package, too.
		"manifest gone":   "rm -f .kis/manifest",
		"manifest edited": "chmod u+w .kis/manifest && sed -i s/version/noisrev/ .kis/manifest && chmod a-w .kis/manifest",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := owner(t, repository(t))
			a := source(t, "app", "1", file("version", "1"))
			l.install(t, a)
			sh(t, filepath.Join(l.root, "app-1"), "chmod u+w . .kis; "+change+"; chmod a-w . .kis")
			want := remote.CodeChangedPackage
			if name == "a pipe" {
				want = remote.CodeSpecialFile
			}
			_, err := l.Begin(t.Context(), a.Source)
			requireRefused(t, err, want)
			requireRefused(t, l.Arm(t.Context(), l.change(t, "", "app-1"), soon), want)
			require.Empty(t, l.linked(t))

			read := a.Source
			read.Read = true
			_, err = l.Begin(t.Context(), read)
			require.NoError(t, err)
			found, err := l.Rehash(t.Context(), read.Package, time.Minute)
			require.True(t, err != nil || len(found) > 0, "what Begin leaves to Rehash is noticed by it")
		})
	}
}

// Size and modification time of an edited file can be restored, its ctime cannot: then the contents
// are compared.
func TestAnEditThatRestoresSizeAndTimeIsNoticed(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]string{
		"a file": "cp -p version /tmp/$$.old; printf 2 >version; touch -r /tmp/$$.old version; rm /tmp/$$.old",
		"a link": "cp -pP link /tmp/$$.link; ln -sfn PKG-INF0 link; touch -h -r /tmp/$$.link link; rm /tmp/$$.link",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := owner(t, repository(t))
			a := source(t, "app", "1", file("version", "1"), symlink("link", "PKG-INFO"))
			l.install(t, a)
			sh(t, filepath.Join(l.root, "app-1"), "chmod u+w . version; "+change+"; chmod a-w . version")
			_, err := l.Begin(t.Context(), a.Source)
			requireRefused(t, err, "changed-package")
		})
	}
}

// The contents are unchanged, although the ctime of all files is new.
func TestCopiedOrTouchedPackageIsUnchanged(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]string{
		"copied with its times":    "cp -a app-1 copy; chmod -R u+w app-1; rm -r app-1; mv copy app-1",
		"linked to by a backup":    "cp -al app-1 backup",
		"opened and closed again":  "chmod u+w app-1/version; chmod u-w app-1/version",
		"owner changed there back": "chown nobody app-1/version; chown 0 app-1/version",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireSuperuser(t)
			l := owner(t, repository(t))
			a := source(t, "app", "1", file("version", "1"))
			l.install(t, a)
			sh(t, l.root, change)
			receipt, err := l.Begin(t.Context(), a.Source)
			require.NoError(t, err)
			require.NotNil(t, receipt)
			l.link(t, "", "app-1")
		})
	}
}

func TestSealRefusesWhatIsNotReadOnly(t *testing.T) {
	t.Parallel()
	l, a := unsealed(t)
	_, err := l.Seal(t.Context(), a.Source, remote.Provenance{})
	requireRefused(t, err, "bad-request")
}
