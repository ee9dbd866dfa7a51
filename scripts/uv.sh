# uv.sh UV REASON HINT ARGUMENT… — run uv with the arguments. REASON and HINT are for the user when uv fails.
main() {
	uv=$1 reason=$2 hint=$3
	shift 3
	"$uv" "$@" 3>&- || fail $? uv "$reason" "$hint"
	record finished uv
}
main "$@"
