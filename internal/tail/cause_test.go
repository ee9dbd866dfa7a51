package tail_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/keep-it-simple/kis/internal/tail"
)

// Outputs of pip 20.3 to 25, gcc, Django and dash, shortened.
func TestTheCauseIsFound(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, output, cause string }{
		{"nothing", "", ""},
		{"nothing that is known", "Looking in links: /opt/wheels\nProcessing ./x", ""},
		{
			"no such release", `
ERROR: Could not find a version that satisfies the requirement nosuch==1 (from versions: 0.1, 0.2, 0.3)
ERROR: No matching distribution found for nosuch==1`,
			"No matching distribution found for nosuch==1",
		},
		{
			"no index", `
WARNING: Retrying (Retry(total=1, connect=None, read=None, redirect=None, status=None)) after connection broken by 'NewConnectionError('<pip._vendor.urllib3.connection.HTTPConnection object at 0x7f4a81afc910>: Failed to establish a new connection: [Errno 111] Connection refused')': /simple/six/
WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, status=None)) after connection broken by 'NewConnectionError('<pip._vendor.urllib3.connection.HTTPConnection object at 0x7f4a81afc911>: Failed to establish a new connection: [Errno 111] Connection refused')': /simple/six/
ERROR: Could not find a version that satisfies the requirement six (from versions: none)
ERROR: No matching distribution found for six`,
			"the package index was not reached: [Errno 111] Connection refused: /simple/six/",
		},
		{
			"a retry that helped", `
WARNING: Retrying (Retry(total=4, connect=None, read=None, redirect=None, status=None)) after connection broken by 'ReadTimeoutError("HTTPSConnectionPool(host='pypi.org', port=443): Read timed out. (read timeout=15)")': /simple/six/
ERROR: No matching distribution found for six==99`,
			"No matching distribution found for six==99",
		},
		{
			"another file than the hash", `
Collecting six==1.16.0 (from -r r.txt (line 1))
ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE. If you have updated the package versions, please update the hashes.
    six==1.16.0 from https://files.example/six-1.16.0-py2.py3-none-any.whl (from -r r.txt (line 1)):
        Expected sha256 0000`,
			"not the file of the requirements' hashes: six==1.16.0 from https://files.example/six-1.16.0-py2.py3-none-any.whl (from -r r.txt (line 1))",
		},
		{
			"a conflict", `
ERROR: Cannot install six==1.15.0 and six==1.16.0 because these package versions have conflicting dependencies.

The conflict is caused by:
    The user requested six==1.16.0
ERROR: ResolutionImpossible: for help visit https://pip.pypa.io/`,
			"Cannot install six==1.15.0 and six==1.16.0 because these package versions have conflicting dependencies.",
		},
		{
			"a missing header", `
  error: subprocess-exited-with-error
  × Building wheel for cext (pyproject.toml) did not run successfully.
  ╰─> [10 lines of output]
      running build_ext
      c.c:1:10: fatal error: nosuch.h: No such file or directory
          1 | #include <nosuch.h>
      compilation terminated.
      error: Command '['gcc', '-c', 'c.c']' returned non-zero exit status 1.
      [end of output]
  note: This error originates from a subprocess, and is likely not a problem with pip.
  ERROR: Failed building wheel for cext
Failed to build cext
ERROR: Failed to build one or more wheels`,
			"c.c:1:10: fatal error: nosuch.h: No such file or directory",
		},
		{
			"no compiler", `
      error: command 'gcc' failed: No such file or directory
      [end of output]
  ERROR: Failed building wheel for cext`,
			"command 'gcc' failed: No such file or directory",
		},
		{
			"a build that raises", `
  error: subprocess-exited-with-error
  × Getting requirements to build wheel did not run successfully.
  ╰─> [19 lines of output]
      Traceback (most recent call last):
        File "/tmp/pip-build-env-av6_r8k1/overlay/lib/python3.11/site-packages/setuptools/build_meta.py", line 317, in run_setup
          exec(code, locals())
        File "<string>", line 1, in <module>
      ModuleNotFoundError: No module named 'numpyx'
      [end of output]
error: subprocess-exited-with-error`,
			"ModuleNotFoundError: No module named 'numpyx'",
		},
		{
			"pip's own error above a traceback", `
ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device
Traceback (most recent call last):
  File "pip/_internal/cli/base_command.py", line 160, in exc_logging_wrapper
    status = run_func(*args)
OSError: [Errno 28] No space left on device`,
			"Could not install packages due to an OSError: [Errno 28] No space left on device",
		},
		{
			"pip itself raises", `
ERROR: Exception:
Traceback (most recent call last):
  File "pip/_internal/cli/base_command.py", line 160, in exc_logging_wrapper
    status = run_func(*args)
PermissionError: [Errno 13] Permission denied: '/srv/cache'`,
			"PermissionError: [Errno 13] Permission denied: '/srv/cache'",
		},
		{
			"an exception of any name, and one that it came from", `
Traceback (most recent call last):
  File "a.py", line 1, in f
    g()
KeyError: 'x'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "a.py", line 3, in <module>
    f()
shop.Misconfigured: no DATABASE_URL
more of its text`,
			"shop.Misconfigured: no DATABASE_URL",
		},
		{
			"Django", "System check identified some issues:\nCommandError: You must set settings.ALLOWED_HOSTS if DEBUG is False.",
			"CommandError: You must set settings.ALLOWED_HOSTS if DEBUG is False.",
		},
		{"a shell", "sh: 1: npm: not found", "sh: 1: npm: not found"},
		{
			"a group", `
  + Exception Group Traceback (most recent call last):
  |   File "a.py", line 1, in <module>
  |     raise ExceptionGroup("two", [ValueError(1)])
  | ExceptionGroup: two (1 sub-exception)`,
			"ExceptionGroup: two (1 sub-exception)",
		},
		{"endless", "ERROR: " + strings.Repeat("ä", tail.MaxWidth), strings.Repeat("ä", tail.MaxWidth/2)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, c.cause, tail.Cause(strings.Split(c.output, "\n")))
		})
	}
}
