package scripts_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// manyFiles is what a child says of a package with more files than most: some tens of megabytes.
const manyFiles = `
import select, sys
sys.path.insert(0, sys.argv[1])
from kisagent.child import fork
task = fork(lambda: {"lib/python3/site-packages/%064d.py" % n: ["f", 0o444, n, 1700000000123456789] for n in range(150000)}, 60)
while not task.reap():
    select.select([task.fd], [], [], 1)
    task.lines()
task.drain()
found = task.result()
print(len(found), found["lib/python3/site-packages/%064d.py" % 7])
`

// TestAPackageMayHaveManyFiles: what is known of each of them fits into the answer of a child.
func TestAPackageMayHaveManyFiles(t *testing.T) {
	t.Parallel()
	out := runs(t, python, "-B", "-c", manyFiles, here(t))
	assert.Equal(t, "150000 ['f', 292, 7, 1700000000123456789]", strings.TrimSpace(out))
}
