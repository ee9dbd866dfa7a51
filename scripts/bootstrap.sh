: the first line does nothing, so that a login script which reads one line of our input eats no more than this
# bootstrap.sh PYTHON — fed to "exec /bin/sh -s -- PYTHON"; becomes the loader of the agent.
# Says "KIS1 READY MAJOR.MINOR" and then waits for one line of JSON with the agent's modules. Nothing is written to disk.
# Says "KIS1 NOPYTHON" and exits 1 when there is no such interpreter, and "KIS1 EATEN" when a login script has read more than these lines.
kis_whole=yes
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
python=$(command -v "$1") || python=""
# A login script that became another shell has left it our text without our words.
[ $# -eq 1 ] || { printf '\nKIS1 NOWORDS\n'; exit 1; }
[ "${kis_whole-}" = yes ] || { printf '\nKIS1 EATEN\n'; exit 1; }
[ -x "$python" ] || { printf '\nKIS1 NOPYTHON\n'; exit 1; }
# UTF-8 whatever the locale: the names in a package must read alike for everybody who seals or checks it.
exec "$python" -X utf8 -I -S -c '
import sys
sys.stdout.write("\nKIS1 READY %d.%d\n" % sys.version_info[:2])
sys.stdout.flush()
import json, types
order = json.loads(sys.stdin.buffer.readline().decode("utf-8"))
for name, source in order["modules"]:
    module = types.ModuleType(name)
    sys.modules[name] = module
    exec(compile(source, name, "exec"), module.__dict__)
sys.modules["kisagent.main"].main(order)
'
