# unpack.sh ARCHIVE DIRECTORY — unpack a source distribution into the empty DIRECTORY.
# Owners and modes of the archive are ignored: the files belong to the deploying user, with modes by umask 022.
# Killed at any line, the step leaves DIRECTORY, which is removed with the run.
main() {
	archive=$1 directory=$2
	tar --no-same-owner --no-same-permissions -xzf "$archive" -C "$directory" 3>&- || fail $? tar "tar could not unpack the archive"
	record finished unpack
}
main "$@"
