# exec.sh PACKAGE PROGRAM [ARGUMENT…] — run a program that a user asked for in a package, with its environment active.
main() {
	cd "$1"
	PATH=$1/.venv/bin:$PATH VIRTUAL_ENV=$1/.venv
	export PATH VIRTUAL_ENV
	shift
	exec "$@" 3>&-
}
main "$@"
