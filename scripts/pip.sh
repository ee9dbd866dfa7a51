# pip.sh PYTHON PIP REASON HINT ARGUMENT… — run pip with the arguments. PYTHON is the interpreter, PIP the directory of
# pip. REASON and HINT are for the user when pip fails; HINT may be empty.
main() {
	python=$1 pip_directory=$2 reason=$3 hint=$4
	shift 4
	"$python" "$pip_directory/pip" --no-color "$@" 3>&- || fail $? pip "$reason" "$hint"
	record finished pip
}
main "$@"
