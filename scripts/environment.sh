# environment.sh PACKAGE PYTHON PIP MODE REQUIREMENTS HASHED WHEELS — build the companion environment PACKAGE/.venv.
# PYTHON is the interpreter, PIP the folder of the pip that comes with it, MODE editable or regular. REQUIREMENTS is a file or empty,
# HASHED is "hashed" when every requirement in it carries hashes, WHEELS a folder of wheels or empty: with it no index is asked.
# The environment has no pip of its own: it is not changed after this, and without pip it is made in a fiftieth of the time.
# Killed at any line it leaves a folder without receipt, which the next run removes.
pip() {
	"$python" "$pip_folder/pip" --no-color "$@" 3>&-
}

main() {
	package=$1 base=$2 pip_folder=$3 mode=$4 requirements=$5 hashed=$6 wheels=$7
	python=$package/.venv/bin/python
	"$base" -I -m venv --without-pip "$package/.venv" 3>&- ||
		fail $? python "python could not make a virtual environment" "on Debian and Ubuntu: apt install python3-venv"

	set -- --progress-bar off --no-warn-script-location
	[ -z "$wheels" ] || set -- "$@" --no-index --find-links "$wheels"
	if [ -n "$requirements" ]; then
		if [ -n "$hashed" ]; then
			pip install "$@" --require-hashes -r "$requirements" || fail $? pip "pip could not install the requirements"
			# What is pinned is complete: nothing may be added to it unpinned. "pip check" tells what is missing.
			set -- "$@" --no-deps
		else
			pip install "$@" -r "$requirements" || fail $? pip "pip could not install the requirements"
		fi
	fi
	case $mode in
	editable) set -- "$@" --editable ;;
	regular) ;;
	*) die "unknown mode $mode" ;;
	esac
	pip install "$@" "$package" || fail $? pip "pip could not install the application"

	# A sealed package is read-only: what is not compiled now would be compiled at every start. Templates need not compile.
	"$python" -I -m compileall -q --invalidation-mode unchecked-hash -x '[/][.]venv[/]' "$package" >/dev/null 2>&1 3>&- || :
	record finished environment
}
main "$@"
