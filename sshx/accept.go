package sshx

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"
)

// Accept writes the key of a HostKeyUnknown error to the first user known_hosts
// file, as ssh does after "yes" and with the same HashKnownHosts setting. Call
// it only when a person has compared the fingerprint. Any other kind is an
// error: changed and revoked keys cannot be accepted.
func (e *HostKeyError) Accept() error {
	if e.Kind != HostKeyUnknown {
		return fmt.Errorf("%s: host key: a %s key cannot be accepted", e.Host, e.Kind)
	}
	if e.file == "" {
		return fmt.Errorf("%s: host key: UserKnownHostsFile is none: there is no file to write to", e.Host)
	}
	if err := appendLine(e.file, e.Line); err != nil {
		return fmt.Errorf("%s: host key: %w", e.Host, err)
	}
	return nil
}

// forAccept completes an error about an unknown key with what Accept needs.
func (e *HostKeyError) forAccept(t Target) {
	if len(t.UserKnownHostsFiles) > 0 {
		e.file = t.UserKnownHostsFiles[0]
	}
	name := e.Lookup
	if t.HashKnownHosts {
		salt := make([]byte, 20) // the length of its hash, as ssh does
		_, _ = rand.Read(salt)   // never fails, crypto/rand
		name = "|1|" + base64.StdEncoding.EncodeToString(salt) + "|" + base64.StdEncoding.EncodeToString(hashName(salt, name))
	}
	e.Line = name + " " + strings.TrimSpace(string(ssh.MarshalAuthorizedKey(e.key)))
}

// appendLine adds one line with one write, so that two processes never mix
// theirs, and after a line end, which an edited file may lack.
func appendLine(file, line string) (err error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	line += "\n"
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if size := info.Size(); size > 0 {
		last := make([]byte, 1)
		if _, err := f.ReadAt(last, size-1); err != nil {
			return err
		}
		if last[0] != '\n' {
			line = "\n" + line
		}
	}
	_, err = f.WriteString(line)
	return err
}
