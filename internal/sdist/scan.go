package sdist

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"maps"
	"strings"
)

// scanner collects the facts about the archive's members.
type scanner struct {
	limits   limits
	watch    *headerWatch
	tree     *tree // as tars with pax support unpack it
	noPax    *tree // as a tar without pax support unpacks it
	top      string
	metadata []byte
	lines    map[string]contentLine // by path below the top-level directory
	warnings warnings
	headers  int
	files    int
	unpacked int64
}

// scan reads the archive of size bytes from r to its end. Its errors are *InvalidError without a
// file name, or come from r.
func scan(r io.Reader, size int64, lim limits) (*Archive, error) {
	sum := sha256.New()
	in := bufio.NewReaderSize(io.TeeReader(r, sum), 64<<10)
	if err := checkFormat(in); err != nil {
		return nil, err
	}
	zip, err := gzip.NewReader(in)
	if err != nil {
		return nil, explain(err)
	}
	// One gzip member only: some tars would ignore a second one, others would not.
	zip.Multistream(false)
	s := &scanner{
		limits: lim,
		watch:  &headerWatch{r: zip, limits: lim, archive: size},
		tree:   newTree(false, lim),
		noPax:  newTree(true, lim),
		lines:  map[string]contentLine{},
	}
	if err := s.members(); err != nil {
		return nil, explain(err)
	}
	if err := s.watch.finish(); err != nil {
		return nil, explain(err)
	}
	switch _, err := in.Peek(1); {
	case err == nil:
		return nil, refuse("", "has data after the compressed archive: build it again")
	case !errors.Is(err, io.EOF):
		return nil, err
	}
	a, err := s.archive()
	if err != nil {
		return nil, err
	}
	a.SHA256 = hex.EncodeToString(sum.Sum(nil))
	return a, nil
}

// checkFormat recognizes files of other formats.
func checkFormat(in *bufio.Reader) error {
	head, err := in.Peek(blockSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	const remedy = ": make a .tar.gz, for instance with python3 -m build --sdist"
	switch {
	case len(head) == 0:
		return refuse("", "is empty")
	case bytes.HasPrefix(head, []byte("\x1f\x8b")):
		return nil
	case bytes.HasPrefix(head, []byte("PK")):
		return refuse("", "is a zip archive or a wheel, not a source distribution"+remedy)
	case bytes.HasPrefix(head, []byte("\xfd7zXZ")):
		return refuse("", "is compressed with xz"+remedy)
	case bytes.HasPrefix(head, []byte("BZh")):
		return refuse("", "is compressed with bzip2"+remedy)
	case bytes.HasPrefix(head, []byte("\x28\xb5\x2f\xfd")):
		return refuse("", "is compressed with zstd"+remedy)
	case len(head) > 262 && string(head[257:262]) == "ustar":
		return refuse("", "is a tar archive that is not compressed"+remedy)
	}
	return refuse("", "is not compressed with gzip"+remedy)
}

// explain translates the errors of the decoders.
func explain(err error) error {
	if _, ok := errors.AsType[*InvalidError](err); ok {
		return err
	}
	_, corrupt := errors.AsType[flate.CorruptInputError](err)
	reason := ""
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		reason = "is truncated: build or download it again"
	case errors.Is(err, gzip.ErrChecksum), errors.Is(err, gzip.ErrHeader), corrupt:
		reason = "is damaged: build or download it again"
	case errors.Is(err, tar.ErrHeader):
		reason = "holds no valid tar archive: build it again"
	default:
		return err
	}
	return &InvalidError{Reason: reason, Err: err}
}

func (s *scanner) members() error {
	archive := tar.NewReader(s.watch)
	for {
		hdr, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		raw, err := s.watch.take()
		if err != nil {
			return err
		}
		s.headers++ // nothing else bounds the number of global headers
		if err := s.limits.count(s.headers); err != nil {
			return err
		}
		if hdr.Typeflag == tar.TypeXGlobalHeader {
			if err := checkGlobal(hdr.PAXRecords); err != nil {
				return refuse(hdr.Name, "%v", err)
			}
			continue
		}
		e, err := newEntry(hdr, raw)
		if err == nil && e.isRoot() {
			continue
		}
		if err == nil {
			err = s.place(e)
		}
		if err == nil {
			err = s.read(e, archive)
		}
		if err != nil {
			return atMember(hdr.Name, err)
		}
	}
}

// atMember adds the member's name, unless the error is about the whole archive or about reading it.
func atMember(name string, err error) error {
	_, invalid := errors.AsType[*InvalidError](err)
	_, read := errors.AsType[*readError](err)
	if invalid || read {
		return err
	}
	return refuse(name, "%v", err)
}

// readError marks an error of the stream, which is not about one member.
type readError struct{ err error }

func (e *readError) Error() string { return e.err.Error() }
func (e *readError) Unwrap() error { return e.err }

// place checks the member against the others.
func (s *scanner) place(e entry) error {
	top, below, inside := strings.Cut(e.path, "/")
	if s.top == "" {
		s.top = top
	}
	noPaxTop, _, _ := strings.Cut(e.noPax.path, "/")
	switch {
	case !inside && e.kind != directory:
		return errors.New("does not lie in a directory: a source distribution has one top-level directory")
	case top != s.top:
		return errors.New("lies outside " + Quoted(s.top) + ": a source distribution has one top-level directory")
	case noPaxTop != s.top:
		return errors.New("lies outside " + Quoted(s.top) + " for a tar that ignores pax headers")
	}
	if first, _, _ := strings.Cut(strings.ToLower(below), "/"); first == ".venv" || first == ".kis" {
		return errors.New("has a name that is reserved for kis in a package: leave it out of the source distribution, for instance with `prune " + first + "` in MANIFEST.in")
	}
	if err := s.tree.add(e.path, e.kind); err != nil {
		return err
	}
	if err := s.noPax.add(e.noPax.path, e.kind); err != nil {
		return err
	}
	s.files++
	return nil
}

// read reads the member's content.
func (s *scanner) read(e entry, r io.Reader) error {
	_, below, _ := strings.Cut(e.path, "/")
	line := contentLine{kind: e.kind, exec: e.exec, size: e.size, target: e.target, path: below}
	keep := min(e.size, sniffedBytes)
	if below == "PKG-INFO" && e.kind == regular {
		if keep = e.size; keep > s.limits.metadata {
			return errors.New("is larger than 1 MiB")
		}
	}
	if e.kind == regular {
		head := make([]byte, keep)
		sum := sha256.New()
		if _, err := io.ReadFull(io.TeeReader(r, sum), head); err != nil {
			return &readError{err}
		}
		if _, err := io.Copy(sum, r); err != nil {
			return &readError{err}
		}
		line.digest = hex.EncodeToString(sum.Sum(nil))
		s.unpacked += e.size
		s.warnings.inspect(below, head)
		if below == "PKG-INFO" {
			s.metadata = head
		}
	}
	if e.kind == directory { // whether it is empty is known at the end
		return nil
	}
	if first, twice := s.lines[below]; twice && first != line {
		return errors.New("is in the archive twice, with different content")
	}
	s.lines[below] = line
	return nil
}

// archive returns the result once all members are read.
func (s *scanner) archive() (*Archive, error) {
	info := s.top + "/PKG-INFO"
	switch {
	case s.top == "":
		return nil, refuse("", "is an archive without members")
	case s.metadata == nil:
		return nil, refuse(info, "is missing: this is not a source distribution, make one with python3 -m build --sdist")
	}
	m, err := parseMetadata(s.metadata)
	if err != nil {
		return nil, refuse(info, "%v", err)
	}
	if err := m.agrees(s.top); err != nil {
		return nil, refuse(s.top, "%v", err)
	}
	for _, n := range s.tree.nodes {
		if n.kind == directory && !n.children && n.path != s.top {
			below := strings.TrimPrefix(n.path, s.top+"/")
			s.lines[below] = contentLine{kind: directory, path: below}
		}
	}
	return &Archive{
		lines:          s.lines,
		Name:           m.name,
		Version:        m.version,
		RequiresPython: m.python,
		Package:        m.pkg,
		Top:            s.top,
		Content:        contentDigest(maps.Values(s.lines)),
		Unpacked:       s.unpacked,
		Files:          s.files,
		Warnings:       s.warnings.all(),
	}, nil
}
