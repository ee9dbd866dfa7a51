package hostkey

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/keep-it-simple/kis/sshx/internal/publickey"
)

// Acceptable tells whether a person's yes may make the key known: it is an
// unknown one, StrictHostKeyChecking is not yes, BatchMode is off, and there is a
// file to write to.
func (e *Error) Acceptable() bool { return e.Kind == Unknown && e.refusal == "" }

// File is where Accept writes the key to; "" when there is no such file.
func (e *Error) File() string { return e.file }

// Accept writes the key of a Unknown error to the first user known_hosts
// file, as ssh does after "yes" and with the same HashKnownHosts setting. A key
// that is in there already is not written again. Call it only when a person has
// compared the fingerprint. The next Dial reads the file again. A key that is
// not Acceptable is an error; changed and revoked keys never are.
func (e *Error) Accept() error {
	switch {
	case e.Kind != Unknown:
		return fmt.Errorf("%s: host key: a %s key cannot be accepted", e.Host, e.Kind)
	case e.refusal != "":
		return fmt.Errorf("%s: host key: cannot be accepted: %s", e.Host, e.refusal)
	}
	there, err := readKnownHosts([]string{e.file})
	known := slices.ContainsFunc(there.matching(e.Lookup, ""), func(l knownLine) bool { return publickey.Equal(l.key, e.key) })
	if err == nil && !known {
		err = appendLine(e.file, e.Line)
	}
	if err != nil {
		return fmt.Errorf("%s: host key: %w", e.Host, err)
	}
	e.accepted.Store(true)
	return nil
}

// Accepted reports whether Accept has written the key.
func (e *Error) Accepted() bool { return e.accepted.Load() }

// forAccept completes an error about an unknown key with what Accept needs.
func (e *Error) forAccept(p Policy) {
	if len(p.UserFiles) > 0 {
		e.file = p.UserFiles[0]
	}
	info, err := os.Stat(e.file)
	switch {
	case p.Strict == StrictYes:
		e.refusal = "StrictHostKeyChecking is yes"
	case p.BatchMode && p.Strict != StrictAcceptNew: // which asks nobody
		e.refusal = "BatchMode is yes"
	case e.file == "":
		e.refusal = "UserKnownHostsFile is none, so there is no file to write to"
	case err == nil && !info.Mode().IsRegular():
		e.refusal = e.file + " is not a regular file, so the key would be forgotten"
	}
	name := e.Lookup
	if p.HashNames {
		salt := make([]byte, 20) // the length of its hash, as ssh does
		_, _ = rand.Read(salt)   // never fails, crypto/rand
		name = "|1|" + base64.StdEncoding.EncodeToString(salt) + "|" + base64.StdEncoding.EncodeToString(hashName(salt, name))
	}
	e.Line = name + " " + strings.TrimSpace(string(ssh.MarshalAuthorizedKey(e.key)))
}

// Hint is what a person does about the key, one command or setting a line; ""
// where the error itself says all there is.
func (e *Error) Hint() string {
	if e.Kind != Unknown {
		return ""
	}
	remedies := []string{
		fmt.Sprintf("look at the fingerprint on the host's own console, then run: %s", e.command),
		fmt.Sprintf("or pin the key in the inventory: ssh: {host_key: %q}", e.Fingerprint),
	}
	if e.scan != "" && e.file != "" {
		remedies = append(remedies, fmt.Sprintf("or, if it prints this key: %s >> %s", e.scan, e.file))
	}
	if e.refusal != "" {
		remedies = append(remedies, "kis does not ask about it: "+e.refusal)
	}
	return strings.Join(remedies, "\n")
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
