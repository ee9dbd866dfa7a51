# command.sh PACKAGE COMMAND — run a command of the inventory in the package, with its environment active.
# COMMAND is the inventory's text, unchanged: no value is inserted into it. Its exit status is that of the step.
main() {
	cd "$1"
	PATH=$1/.venv/bin:$PATH VIRTUAL_ENV=$1/.venv
	export PATH VIRTUAL_ENV
	exec /bin/sh -c "$2" 3>&-
}
main "$@"
