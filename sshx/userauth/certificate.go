package userauth

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"golang.org/x/crypto/ssh"
)

// certificate is a user certificate in a file.
type certificate struct {
	*ssh.Certificate

	path string
	file *keyFile // the identity that it is beside; nil: it is a CertificateFile
}

// readCertificates reads the CertificateFiles or, as ssh does only when there is none, the
// -cert.pub file beside each identity.
func (l *Login) readCertificates(files []*keyFile) []certificate {
	var certs []certificate
	read := func(path string, file *keyFile) {
		cert, err := readCertificate(path)
		if errors.Is(err, fs.ErrNotExist) {
			if file == nil {
				l.note("%s: no such file", path)
			}
			return
		}
		if err != nil {
			l.note("%v", err)
			return
		}
		certs = append(certs, certificate{cert, path, file})
	}
	for _, path := range l.settings.CertificateFiles {
		read(path, nil)
	}
	if len(l.settings.CertificateFiles) > 0 {
		return certs
	}
	for _, f := range files {
		read(f.path+"-cert.pub", f)
	}
	return certs
}

// readCertificate reads a user certificate; the error is fs.ErrNotExist when there is no such file.
func readCertificate(path string) (*ssh.Certificate, error) {
	text, _, err := readRegular(path)
	if err != nil {
		return nil, err
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey(text)
	if err != nil {
		return nil, fmt.Errorf("%s: not a certificate", path)
	}
	cert, ok := key.(*ssh.Certificate)
	if !ok {
		return nil, fmt.Errorf("%s: a key, not a certificate", path)
	}
	if cert.CertType != ssh.UserCert {
		return nil, fmt.Errorf("%s: a host certificate, not a user certificate", path)
	}
	return cert, nil
}

// expired describes an expired certificate, the most frequent reason for refusing one, or is "".
func expired(k ssh.PublicKey, now time.Time) string {
	cert, ok := k.(*ssh.Certificate)
	if !ok || cert.ValidBefore == ssh.CertTimeInfinity || uint64(now.Unix()) < cert.ValidBefore {
		return ""
	}
	return " (it expired on " + time.Unix(int64(cert.ValidBefore), 0).UTC().Format("2006-01-02 15:04 MST") + ")"
}

func isCertificate(k ssh.PublicKey) bool {
	_, ok := k.(*ssh.Certificate)
	return ok
}
