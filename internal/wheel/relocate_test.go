package wheel

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func errorsIsNotPure(err error) bool { return errors.Is(err, ErrNotPure) }

func sourceAt(dir string, made ...string) *Source {
	return &Source{Dir: dir, Temporary: strings.Split(dir, "/")[2], Made: made}
}

func TestAtReplacesTheDirectoryInEveryTextFile(t *testing.T) {
	t.Parallel()
	files := func(dir string) map[string]string {
		return map[string]string{
			"projecta.pth": dir + "\n" + dir + "/src\n",
			"_finder.py":   "MAPPING = {'projecta': '" + dir + "/src/projecta', 'x': \"" + dir + "\"}\n",
			"impl.json":    `{"é": "file://` + dir + `/src"}`,
			"binary":       "\x00\xff",
		}
	}
	const other = "/tmp/kis-build-99999/projecta-0.4"
	first := mustRead(t, built(t, name, valid(files(source)), time.Now()), sourceAt(source))
	second := mustRead(t, built(t, name, valid(files(other)), time.Unix(1.6e9, 0)), sourceAt(other))
	assert.True(t, first.Editable())
	assert.NotEqual(t, first.SHA256, second.SHA256)

	const dir = "/srv/w~b@1/projecta-0.4+local.1"
	moved, err := first.At(dir)
	require.NoError(t, err)
	defer func() { require.NoError(t, moved.Close()) }()
	again, err := second.At(dir)
	require.NoError(t, err)
	defer func() { require.NoError(t, again.Close()) }()
	assert.Equal(t, moved.SHA256, again.SHA256)
	assert.False(t, moved.Editable())
	assert.Equal(t, first.RequiresDist, moved.RequiresDist)
	unzipped := unzip(t, content(t, moved))
	for file, want := range files(dir) {
		assert.Equal(t, want, unzipped[file])
	}
	unzip(t, content(t, first))
}

func TestAtRefusesPathsThatNeedEscapes(t *testing.T) {
	t.Parallel()
	a := mustRead(t, built(t, name, valid(map[string]string{"projecta.pth": source + "\n"}), time.Now()), sourceAt(source))
	for _, dir := range []string{"", "relative", "/a b", "/a'b", `/a"b`, `/a\b`, "/a\nb", "/é", "/a$b", "/a%20b", "/a#b", "/a:b"} {
		_, err := a.At(dir)
		require.ErrorIs(t, err, ErrNotPure, dir)
	}
}

func TestEditableWheelsThatCannotBeRelocated(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		dir, data, made string
		want            string
	}{
		"not text":             {source, "\x00" + source, "", "a file that is not text"},
		"not UTF-8":            {source, "\xff" + source, "", "a file that is not text"},
		"temporary file":       {source, "/tmp/kis-build-123/tmp/x", "", "refers to a temporary file"},
		"another directory":    {source, source + "-2/x", "", "refers to a temporary file"},
		"what the build made":  {source, "'" + source + "/build/x.1/y'", "build/x.1/y", "refers to build/x.1/y"},
		"directory of a build": {source, source + "/build/__editable__\n", "build/__editable__", "refers to build/__editable__"},
		"temporary directory":  {"/tmp/a b/projecta-0.4", "", "", "has a name that an editable wheel cannot be"},
	}
	for label, test := range tests {
		t.Run(label, func(t *testing.T) {
			t.Parallel()
			s := sourceAt(test.dir)
			if test.made != "" {
				s.Made = []string{test.made}
			}
			_, err := Read(built(t, name, valid(map[string]string{"x.pth": test.data}), time.Now()), s)
			require.ErrorIs(t, err, ErrNotPure)
			require.ErrorContains(t, err, test.want)
		})
	}
	mustRead(t, built(t, name, valid(map[string]string{"x.pth": source + "/builder/x\n" + source + "\n"}), time.Now()), sourceAt(source, "build/x"))
}
