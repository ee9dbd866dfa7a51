: this line does nothing, so that a login script which reads one line of the input consumes no more than this
# bootstrap.sh PYTHON — standard input of "exec /bin/sh -s -- PYTHON"; becomes the loader of the agent.
# It prints "KIS1 READY MAJOR.MINOR zlib", without the last word where Python lacks that module, and reads one line of JSON
# with the agent's modules. Where that has a member "packed", compressed JSON follows, in two parts with so many bytes: more
# members, and the modules, which are decompressed when one is not known from before. It writes no file.
# It prints "KIS1 NOPYTHON PYTHON" and exits 1 when there is no such interpreter, "KIS1 EATEN" when a login script has
# consumed more than these lines, and "KIS1 NOWORDS" when the arguments are missing.
kis_whole=yes
KIS_LOGIN_PATH=${PATH-}
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH KIS_LOGIN_PATH
python=$(command -v "$1") || python=""
# A login script that ran exec with another shell has passed on the input without the arguments.
[ $# -eq 1 ] || { printf '\nKIS1 NOWORDS\n'; exit 1; }
[ "${kis_whole-}" = yes ] || { printf '\nKIS1 EATEN\n'; exit 1; }
[ -x "$python" ] || { printf '\nKIS1 NOPYTHON %s\n' "$1"; exit 1; }
# UTF-8 in every locale: the names in a package must be decoded equally when it is sealed and when it is checked.
exec "$python" -X utf8 -I -S -c '
import sys
try:
    from zlib import decompress
except ImportError:
    decompress = None
sys.stdout.write("\nKIS1 READY %d.%d%s\n" % (sys.version_info[:2] + (" zlib" * bool(decompress),)))
sys.stdout.flush()
import gc
gc.disable()
import json
import marshal
from _frozen_importlib import ModuleSpec
order = json.loads(sys.stdin.buffer.readline().decode("utf-8"))
if "packed" in order:
    parts = [sys.stdin.buffer.read(size) for size in order["packed"]]
    order.update(json.loads(decompress(parts[0]).decode("utf-8")))
class Modules:
    """The agent: each module is compiled when it is imported, unless it is known from before."""
    sources = dict(order["modules"])
    known = {}
    more = False
    def find_spec(self, name, path=None, target=None):
        return ModuleSpec(name, self, is_package=name == "kisagent") if name.partition(".")[0] == "kisagent" else None
    def create_module(self, spec):
        return None
    def exec_module(self, module):
        name = module.__name__
        if name not in self.known:
            self.known[name] = marshal.dumps(compile(self.source(name), name, "exec"))
            self.more = True
        exec(marshal.loads(self.known[name]), module.__dict__)
    def source(self, name):
        if name not in self.sources and "packed" in order:
            self.sources.update(json.loads(decompress(parts[1]).decode("utf-8")))
        return self.sources[name]
modules = Modules()
sys.meta_path.insert(0, modules)
from kisagent import compiled
compiled.load(order, modules.known)
modules.more = False
from kisagent.main import main
gc.freeze()
gc.enable()
if main(order) and modules.more:
    compiled.save(order, modules.known)
import os
for stream in (sys.stdout, sys.stderr):
    stream.flush()
os._exit(0)  # without taking everything apart, which takes a tenth of the time of a short session
'
