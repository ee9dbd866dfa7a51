package requirements_test

import (
	"bufio"
	"cmp"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/requirements"
)

// oracle is pip's own parser, in a process of its own.
type oracle struct {
	stdin  io.Writer
	stdout *bufio.Reader
}

// reading is what pip reads in files.
type reading struct {
	Error        string       `json:"error"`
	Pip          string       `json:"pip"`
	Requirements []pipRequire `json:"requirements"`
	Indexes      []string     `json:"indexes"`
	Links        []string     `json:"links"`
	Trusted      []string     `json:"trusted"`
	Pre          bool         `json:"pre"`
	Binary       [][]string   `json:"binary"`
	Hashed       bool         `json:"hashed"`
}

type pipRequire struct {
	Name       string              `json:"name"`
	Specifier  string              `json:"specifier"`
	Extras     []string            `json:"extras"`
	URL        string              `json:"url"`
	Marker     string              `json:"marker"`
	Hashes     map[string][]string `json:"hashes"`
	Editable   bool                `json:"editable"`
	Constraint bool                `json:"constraint"`
	Options    map[string]any      `json:"options"`
}

// python is the Python whose pip is asked.
func python() string { return cmp.Or(os.Getenv("KIS_TEST_PYTHON"), "python3") }

func newOracle(t testing.TB) *oracle {
	script, err := filepath.Abs("testdata/oracle.py")
	require.NoError(t, err)
	cmd := exec.Command(python(), script)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	return &oracle{stdin, bufio.NewReader(stdout)}
}

// named is a file, and whether it is one of constraints.
type named [2]any

// read returns what pip reads when it runs in a directory.
func (o *oracle) read(t testing.TB, dir string, environment map[string]string, files ...named) reading {
	request, err := json.Marshal(map[string]any{"dir": dir, "environment": environment, "files": files})
	require.NoError(t, err)
	_, err = o.stdin.Write(append(request, '\n'))
	require.NoError(t, err)
	line, err := o.stdout.ReadBytes('\n')
	require.NoError(t, err, "the oracle has ended")
	var r reading
	require.NoError(t, json.Unmarshal(line, &r))
	return r
}

// readBoth returns what pip reads in a file, and in what kis has made of it.
func (o *oracle) readBoth(t testing.TB, path, project string, environment map[string]string, f *requirements.File) (before, after reading) {
	host := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(host, "requirements.txt"), []byte(f.Text), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(host, "constraints.txt"), []byte(f.Constraints), 0o600))
	before = o.read(t, project, environment, named{path, false})
	after = o.read(t, host, map[string]string{requirements.LocalsVariable: host}, named{"requirements.txt", false}, named{"constraints.txt", true})
	return before.sorted(), after.sorted()
}

// sorted has the constraints at the end and each once: kis separates them, and their number does not
// matter.
func (r reading) sorted() reading {
	all := []pipRequire{}
	var constraints []pipRequire
	for _, one := range r.Requirements {
		switch {
		case !one.Constraint:
			all = append(all, one)
		case !slices.ContainsFunc(constraints, func(other pipRequire) bool { return reflect.DeepEqual(one, other) }):
			constraints = append(constraints, one)
		}
	}
	r.Requirements = slices.Concat(all, constraints)
	return r
}
