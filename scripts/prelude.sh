# prelude.sh — stands before every step. POSIX sh: no arrays, no pipefail, no echo, no [[ ]], no local.
# A step is handed to sh as one argument, with nothing as its standard input, its records as its standard output, and its output as its
# standard error. Its last record is "finished": without it the agent takes the step for failed, whatever its exit status says.
# From here on records leave through descriptor 3, which is closed for every program: what a program prints can be no record.
exec 3>&1 1>&2
set -eu
umask 022

record() { # record KEY VALUE
	printf '%s\t%s\n' "$1" "$2" >&3
}

die() { # die REASON [HINT]
	[ -z "${2-}" ] || record hint "$2"
	record failed "$1"
	exit 1
}

fail() { # fail STATUS PROGRAM REASON [HINT] — die because PROGRAM ended with STATUS. The shell says by it which signal killed a program.
	if [ "$1" -eq 137 ]; then
		die "$3: $2 was killed by signal 9 (out of memory?)" "the kernel's log tells: dmesg | grep -i 'out of memory'"
	elif [ "$1" -gt 128 ] && [ "$1" -le 192 ]; then
		die "$3: $2 was killed by signal $(($1 - 128))"
	fi
	die "$3" "${4-}"
}
