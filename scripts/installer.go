package scripts

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	_ "embed" // the library
	"encoding/hex"
	"io"
	"strings"
	"time"
)

// installerWheel is the library pypa/installer, as published. It is the last version that Python 3.8 can
// run.
//
//go:embed vendor/installer-0.7.0-py3-none-any.whl
var installerWheel []byte

// File is a file that hosts need, in memory.
type File struct {
	Data   []byte
	SHA256 string // of Data, hexadecimal
}

// Installer returns the library with which the agent fills environments: an archive that Python imports
// from. Of the wheel it has the modules and the license; the launchers for Windows, nine tenths of it,
// are left out.
func Installer() (File, error) {
	wheel, err := zip.NewReader(bytes.NewReader(installerWheel), int64(len(installerWheel)))
	if err != nil {
		return File{}, err
	}
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, member := range wheel.File {
		if strings.HasSuffix(member.Name, ".exe") {
			continue
		}
		if err := copyMember(w, member); err != nil {
			return File{}, err
		}
	}
	if err := w.Close(); err != nil {
		return File{}, err
	}
	sum := sha256.Sum256(out.Bytes())
	return File{Data: out.Bytes(), SHA256: hex.EncodeToString(sum[:])}, nil
}

// copyMember copies a member without its time.
func copyMember(w *zip.Writer, member *zip.File) error {
	source, err := member.Open()
	if err != nil {
		return err
	}
	defer source.Close() //nolint:errcheck // only read
	target, err := w.CreateHeader(&zip.FileHeader{Name: member.Name, Method: zip.Deflate, Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)})
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source) //nolint:gosec // the wheel is our own
	return err
}
