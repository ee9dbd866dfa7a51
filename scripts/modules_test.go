package scripts_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// without runs a program of the agent with a Python that was built without a library.
func without(t *testing.T, module, program string) string {
	t.Helper()
	return strings.TrimSpace(runs(t, python, "-B", "-c", `import sys
for name in sys.argv[2].split():
    sys.modules[name] = None  # importing it fails
sys.path.insert(0, sys.argv[1])
import kisagent.main
from kisagent import check, health, journal, store
from kisagent.wire import Refused
`+program, here(t), module))
}

// TestPythonWithoutALibrary is named, with the remedy, where it matters, and serves where it does not.
func TestPythonWithoutALibrary(t *testing.T) {
	t.Parallel()
	const problems = "print(*('%(code)s: %(message)s: %(hint)s' % one for one in check.missing_modules(INDEX)), sep='\\n')"
	named := without(t, "zlib", strings.Replace(problems, "INDEX", "False", 1))
	assert.Contains(t, named, "no-module: python ("+python)
	assert.Contains(t, named, "was built without zlib, so that no wheel can be unpacked: name another interpreter in the inventory")
	named = without(t, "ssl _ssl", strings.Replace(problems, "INDEX", "True", 1))
	assert.Contains(t, named, "was built without ssl, so that no package index can be reached by https")
	assert.Contains(t, named, "apt install libssl-dev")
	assert.Empty(t, without(t, "ssl _ssl", strings.Replace(problems, "INDEX", "False", 1)))
	assert.Empty(t, without(t, "ctypes _ctypes", strings.Replace(problems, "INDEX", "True", 1)))

	assert.Equal(t, "synced", without(t, "ctypes _ctypes", "store.sync_file_system('/tmp')\nprint('synced')"))
	const ask = `
wanted = {"url": "SCHEME://127.0.0.1:9/", "within": 0.1}
try:
    health.Check(wanted).wait()
except Refused as refused:
    print(refused.code)
`
	assert.Equal(t, "unhealthy", without(t, "ssl _ssl", strings.Replace(ask, "SCHEME", "http", 1)))
	assert.Equal(t, "no-module", without(t, "ssl _ssl", strings.Replace(ask, "SCHEME", "https", 1)))
}
