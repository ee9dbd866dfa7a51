# verify.sh PACKAGE PIP NAME IMPORTS — the checks every package must pass: its requirements fit together, and it imports.
# PIP is the folder of pip, or empty: then only the import is checked. NAME is the distribution's name, IMPORTS the text of imports.py.
# Writes nothing, so that a sealed package can be verified again.
main() {
	package=$1 pip_folder=$2 name=$3 imports=$4
	python=$package/.venv/bin/python
	"$python" -I -B -c 0 3>&- ||
		fail $? python "the environment's python does not run" "was python on this host upgraded? push a new version"
	if [ -n "$pip_folder" ]; then
		"$python" -B "$pip_folder/pip" --no-color check 3>&- ||
			fail $? pip "the environment lacks something, or holds what does not fit together"
	fi
	# The one program that records something itself: imports.py keeps descriptor 3 from what it imports.
	"$python" -I -B -c "$imports" "$name" || fail $? python "the application does not import"
	record finished verify
}
main "$@"
