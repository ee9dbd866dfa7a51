# prelude.sh — stands before every step. POSIX sh: no arrays, no pipefail, no echo, no [[ ]], no local.
# A step is handed to sh as one argument, with nothing as its standard input. Its last record is "finished": without it the agent
# takes the step for failed, whatever its exit status says.
set -eu
umask 022

record() { # record KEY VALUE; on a line of its own, even if what ran before has not ended its last line
	printf '\nkis\t%s\t%s\n' "$1" "$2"
}

die() { # die REASON [HINT]
	[ -z "${2-}" ] || record hint "$2"
	record failed "$1"
	exit 1
}
