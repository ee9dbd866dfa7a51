# verify.sh PACKAGE PIP NAME IMPORTS — check that the requirements of a package are consistent and that it imports.
# PIP is the directory of pip, or empty: then only the import is checked. NAME is the distribution's name, IMPORTS the
# text of imports.py. The step writes nothing, so that a sealed package can be verified again.
main() {
	package=$1 pip_directory=$2 name=$3 imports=$4
	python=$package/.venv/bin/python
	if [ -n "$pip_directory" ]; then
		"$python" -B "$pip_directory/pip" --no-color check 3>&- || explain $? pip "the environment is incomplete or inconsistent"
	fi
	# The only program that inherits descriptor 3: imports.py writes a record, and hides it from what it imports.
	"$python" -I -B -c "$imports" "$name" || explain $? python "the application does not import"
	record finished verify
}

# explain STATUS PROGRAM CAUSE — fail: with the cause, or because nothing at all runs.
explain() {
	"$python" -I -B -c 0 >/dev/null 2>&1 3>&- ||
		fail $? python "the environment's python does not run" "was python on this host upgraded? push a new version"
	fail "$@"
}
main "$@"
