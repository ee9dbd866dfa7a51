package scripts

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	_ "embed" // the library
	"encoding/hex"
	"io"
	"strings"
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

// copyMember copies a member as it is compressed, without its time.
func copyMember(w *zip.Writer, member *zip.File) error {
	source, err := member.OpenRaw()
	if err != nil {
		return err
	}
	target, err := w.CreateRaw(&zip.FileHeader{
		Name: member.Name, Method: member.Method, CRC32: member.CRC32, CompressedSize64: member.CompressedSize64, UncompressedSize64: member.UncompressedSize64,
	})
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	return err
}
