# unpack.sh ARCHIVE FOLDER — unpack a source distribution into the empty FOLDER.
# Owners and modes of the archive do not count: what is unpacked belongs to us, as umask 022 makes it.
# Killed at any line it leaves FOLDER, which belongs to the run and goes with it.
main() {
	archive=$1 folder=$2
	tar --no-same-owner --no-same-permissions -xzf "$archive" -C "$folder" 3>&- || fail $? tar "tar could not unpack the archive"
	record finished unpack
}
main "$@"
