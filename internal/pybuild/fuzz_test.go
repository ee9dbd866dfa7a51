package pybuild

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzParseProbe: whatever an interpreter prints, it is one that kis can use, or an error that says
// what it is.
func FuzzParseProbe(f *testing.F) {
	good := `{"executable":"/usr/bin/python3","version":"3.11.2","supported":true,"build":true,"setuptools":true,"venv":true}`
	f.Add([]byte("\n" + good + "\n"))
	f.Add([]byte("warning\n" + good))
	f.Add([]byte(good + "\nbye\n"))
	f.Add([]byte(strings.Replace(good, "3.11.2", "../../x", 1)))
	f.Add([]byte(strings.Replace(good, "3.11.2", "3.11.2\u001b[31m", 1)))
	f.Add([]byte(strings.Replace(good, "/usr/bin/python3", "", 1)))
	f.Add([]byte(strings.Replace(good, "/usr/bin/python3", `-x\u0000`, 1)))
	f.Add([]byte(strings.Replace(good, "true", "false", 1)))
	f.Add([]byte("null"))
	f.Add([]byte(""))
	f.Add([]byte(strings.Repeat("[", 20_000)))
	f.Add([]byte(strings.Repeat("x", 100_000)))
	f.Fuzz(func(t *testing.T, out []byte) {
		found, err := parseProbe(out, "python3")
		if err != nil {
			var failed *Error
			require.ErrorAs(t, err, &failed)
			require.Less(t, len(err.Error()), 1000)
			return
		}
		require.True(t, found.Supported)
		require.Regexp(t, `^[0-9]+(\.[0-9]+)*$`, found.Version, "it is part of a directory's name")
		require.NotEmpty(t, found.Executable)
		require.NotContains(t, found.Executable, "\x00")
		_, err = json.Marshal(found)
		require.NoError(t, err)
	})
}
