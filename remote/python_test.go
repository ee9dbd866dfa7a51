package remote_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/remote"
)

// The host's pip evaluates PEP 440, as when it installs the package. What it cannot parse is
// accepted until then.
func TestCheckComparesRequiresPythonAsPipDoes(t *testing.T) {
	t.Parallel()
	l := opened(t, repository(t))
	for specifier, satisfied := range map[string]bool{
		"": true, ",": true, ">=3.8": true, " , >=3.8,": true, ">=3.8, <4": true, "~=3.8": true, "==3.*": true, ">=3.8,\n  !=3.0.*": true,
		">=3.99": false, "<3.8": false, "==2.7.*": false, ">=3.8,<3.8.1": false, "~=2.7": false, "===3.0": false, ">=3.99rc1": false, ">=3.99.dev0": false,
		"=3.8": true, "3.8": true, ">=3.99 || <2": true, ">= 3.99 , nonsense": true, "\x00": true,
	} {
		facts, err := l.Check(t.Context(), remote.CheckRequest{Package: pkg(t, "app-1"), Build: true, RequiresPython: specifier})
		require.NoError(t, err, specifier)
		if satisfied {
			assert.Empty(t, facts.Problems, specifier)
			continue
		}
		require.Len(t, facts.Problems, 1, specifier)
		assert.Equal(t, remote.CodeWrongPython, facts.Problems[0].Code)
		host := l.Host()
		assert.Equal(t, "python is "+host.Python+" ("+host.Executable+"), and app-1 requires "+specifier, facts.Problems[0].Message)
		assert.Equal(t, "name another interpreter in the inventory, for the host or for all: python: /path/to/python3", facts.Problems[0].Hint)
	}
}

func TestCheckReportsPythonBesideOtherProblems(t *testing.T) {
	t.Parallel()
	l := opened(t, "/nonexistent/repository")
	facts, err := l.Check(t.Context(), remote.CheckRequest{Package: pkg(t, "app-1"), Build: true, RequiresPython: ">=3.99"})
	require.NoError(t, err)
	var codes []remote.Code
	for _, p := range facts.Problems {
		codes = append(codes, p.Code)
	}
	assert.Equal(t, []remote.Code{remote.CodeNoRoot, remote.CodeWrongPython}, codes)
}

// A sealed package is not built again.
func TestCheckLeavesTheEnvironmentOfASealedPackageAlone(t *testing.T) {
	t.Parallel()
	l := installed(t, "1")
	facts, err := l.Check(t.Context(), remote.CheckRequest{Package: pkg(t, "app-1"), Build: true, RequiresPython: ">=3.99"})
	require.NoError(t, err)
	assert.Empty(t, facts.Problems)
	assert.Equal(t, remote.Sealed, facts.Package.State)
}

// Without pip the only problem is that it is missing.
func TestCheckWithoutPipDoesNotReadRequiresPython(t *testing.T) {
	t.Parallel()
	l := confined(t, repository(t), `mount -t tmpfs none /usr/share/python-wheels`)
	facts, err := l.Check(t.Context(), remote.CheckRequest{Package: pkg(t, "app-1"), Build: true, RequiresPython: ">=3.99"})
	require.NoError(t, err)
	require.Len(t, facts.Problems, 1)
	assert.Equal(t, remote.CodeNoVenv, facts.Problems[0].Code)
}

// A pip may lack the library.
func TestCheckWithAnUnknownPipAcceptsAnyRequiresPython(t *testing.T) {
	t.Parallel()
	l := confined(t, repository(t), `mount -t tmpfs none /usr/share/python-wheels; : >/usr/share/python-wheels/pip-99-py3-none-any.whl`)
	facts, err := l.Check(t.Context(), remote.CheckRequest{Package: pkg(t, "app-1"), Build: true, RequiresPython: ">=3.99"})
	require.NoError(t, err)
	require.Empty(t, facts.Problems)
}

// A lock file may be for some environments only: one of its markers must hold.
func TestCheckComparesTheEnvironmentsOfALockFile(t *testing.T) {
	t.Parallel()
	l := opened(t, repository(t))
	const windows, linux = "sys_platform == 'win32'", "sys_platform == 'linux' and python_version >= '3.8'"
	for name, test := range map[string]struct {
		markers []string
		holds   bool
	}{
		"none": {nil, true}, "this": {[]string{linux}, true}, "one of them": {[]string{windows, linux}, true}, "another": {[]string{windows}, false},
		"what pip cannot read": {[]string{"nonsense =="}, true},
	} {
		facts, err := l.Check(t.Context(), remote.CheckRequest{Package: pkg(t, "app-1"), Build: true, Environments: test.markers})
		require.NoError(t, err, name)
		if test.holds {
			assert.Empty(t, facts.Problems, name)
			continue
		}
		require.Len(t, facts.Problems, 1, name)
		assert.Equal(t, remote.CodeWrongPython, facts.Problems[0].Code)
		assert.Contains(t, facts.Problems[0].Message, windows)
	}
}
