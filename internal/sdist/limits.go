package sdist

// limits bound the resources that an archive may use on this machine and on hosts.
type limits struct {
	members    int   // members, and directories that exist only as part of a name
	unpacked   int64 // bytes of the decompressed stream, headers included
	ratio      int64 // decompressed to compressed bytes …
	ratioFloor int64 // … checked only above so many decompressed bytes
	metadata   int64 // bytes of PKG-INFO
}

func defaultLimits() limits {
	return limits{
		members:    100_000,
		unpacked:   2 << 30,
		ratio:      200,
		ratioFloor: 64 << 20,
		metadata:   1 << 20,
	}
}

// stream checks a decompressed stream that is total bytes long so far.
func (l limits) stream(total, archive int64) error {
	switch {
	case total > l.unpacked:
		return refuse("", "unpacks to more than %d MiB", l.unpacked>>20)
	case total > l.ratioFloor && total/l.ratio > archive:
		return refuse("", "unpacks to more than %d times its size: this looks like a decompression bomb", l.ratio)
	}
	return nil
}

func (l limits) count(members int) error {
	if members > l.members {
		return refuse("", "has more than %d members", l.members)
	}
	return nil
}
