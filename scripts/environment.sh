# environment.sh PACKAGE PYTHON PIP MODE REQUIREMENTS HASHED WHEELS NEWER — build the companion environment PACKAGE/.venv.
# PYTHON is the interpreter, PIP the directory of the pip that comes with it, MODE editable or regular. REQUIREMENTS is
# a file or empty, HASHED is "hashed" when every requirement in it has hashes, WHEELS a directory of wheels or empty:
# with it pip uses no index. NEWER is empty, or a directory: there the step installs a newer pip, because PIP is too old
# for MODE. The environment contains no pip: it never changes again, and without pip it is made in a
# fiftieth of the time. Killed at any line, the step leaves a directory without receipt, which the next run removes.
pip() {
	"$python" "$pip_directory/pip" --no-color "$@" 3>&-
}

main() {
	package=$1 base=$2 pip_directory=$3 mode=$4 requirements=$5 hashed=$6 wheels=$7 newer=$8
	python=$package/.venv/bin/python
	"$base" -I -m venv --without-pip "$package/.venv" 3>&- ||
		fail $? python "python could not make a virtual environment" "on Debian and Ubuntu: apt install python3-venv"

	set -- --progress-bar off --no-warn-script-location
	[ -z "$wheels" ] || set -- "$@" --no-index --find-links "$wheels"
	if [ -n "$newer" ]; then
		# From where build requirements come from, too, and like them without hashes.
		pip install "$@" --target "$newer" 'pip>=21.3' ||
			fail $? pip "this host's pip is too old for editable installs (PEP 660), and no newer one could be installed" \
				"add a wheel of pip to wheels:, set install: {mode: regular}, or name a newer python:"
		pip_directory=$newer
	fi
	if [ -n "$requirements" ]; then
		if [ -n "$hashed" ]; then
			pip install "$@" --require-hashes -r "$requirements" || fail $? pip "pip could not install the requirements"
			# A requirements file with hashes is complete: pip may add nothing unpinned. "pip check" reports what is missing.
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

	# Compile now: a sealed package is read-only, so that every start would compile again. Some files, such as
	# templates, are not valid Python; that is no error.
	"$python" -I -m compileall -q --invalidation-mode unchecked-hash -x '[/][.]venv[/]' "$package" >/dev/null 2>&1 3>&- || :
	record finished environment
}
main "$@"
