# prelude.sh — the beginning of every step. POSIX sh: no arrays, no pipefail, no echo, no [[ ]], no local.
# A step is one argument of "sh -c". Its standard input is /dev/null, its standard output carries records, its standard
# error carries output. Its last record is "finished": without it the agent takes the step for failed, whatever its exit
# status is. Records are written to descriptor 3, which is closed for every program: output cannot pass for a record.
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

# fail STATUS PROGRAM REASON [HINT] — die because PROGRAM ended with STATUS. The shell reports signal N as status 128 + N.
fail() {
	if [ "$1" -eq 137 ]; then
		die "$3: $2 was killed by signal 9 (out of memory?)" "see the kernel log: dmesg | grep -i 'out of memory'"
	elif [ "$1" -gt 128 ] && [ "$1" -le 192 ]; then
		die "$3: $2 was killed by signal $(($1 - 128))"
	fi
	die "$3" "${4-}"
}
