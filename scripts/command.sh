# command.sh PACKAGE COMMAND — run one command of the inventory in the package, as `sh -c COMMAND` would, its environment active.
# COMMAND is the inventory's own text, as its author wrote it; nothing is put into it. Its exit status is ours.
main() {
	cd "$1"
	PATH=$1/.venv/bin:$PATH VIRTUAL_ENV=$1/.venv
	export PATH VIRTUAL_ENV
	exec /bin/sh -c "$2" 3>&-
}
main "$@"
