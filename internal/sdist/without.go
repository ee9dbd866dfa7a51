package sdist

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
)

// FindCopy returns the path below Top of a member that has this name, in any directory, and this
// content.
func (a *Archive) FindCopy(base string, content []byte) (member string, found bool) {
	sum := sha256.Sum256(content)
	digest := hex.EncodeToString(sum[:])
	for member, line := range a.lines {
		if line.digest == digest && path.Base(member) == base {
			return member, true
		}
	}
	return "", false
}

// WriteWithout writes the archive to a new file, without one member: its path below Top. The file is
// not validated: Open it.
func (a *Archive) WriteWithout(member, to string) (err error) {
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	unzip, err := gzip.NewReader(a.Reader())
	if err != nil {
		return err
	}
	zip := gzip.NewWriter(out)
	if err := copyWithout(tar.NewReader(unzip), tar.NewWriter(zip), a.Top+"/"+member); err != nil {
		return fmt.Errorf("remove %s from the source distribution: %w", Quoted(member), err)
	}
	return zip.Close()
}

func copyWithout(in *tar.Reader, out *tar.Writer, member string) error {
	for {
		header, err := in.Next()
		switch {
		case errors.Is(err, io.EOF):
			return out.Close()
		case err != nil:
			return err
		case path.Clean(header.Name) == member:
			continue
		}
		if err := out.WriteHeader(header); err != nil {
			return err
		}
		if _, err := io.Copy(out, in); err != nil {
			return err
		}
	}
}
