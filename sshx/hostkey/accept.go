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

	"github.com/keep-it-simple/kis/internal/safetext"
	"github.com/keep-it-simple/kis/sshx/internal/publickey"
)

// Acceptable reports whether the user may accept the key: the key is unknown, StrictHostKeyChecking
// is not yes, BatchMode is off, and there is a file to write to.
func (e *Error) Acceptable() bool { return e.Kind == Unknown && e.refusal == "" }

// File is the known_hosts file that Accept writes to, or "".
func (e *Error) File() string { return e.file }

// Accept adds an unknown key to the first user known_hosts file, as ssh does after "yes" and with
// the same HashKnownHosts setting. A key that the file already has is not added again. Call it only
// after the user has compared the fingerprint. The next Verifier reads the file again. Accept fails
// for a key that is not Acceptable; changed and revoked keys never are.
func (e *Error) Accept() error {
	switch {
	case e.Kind != Unknown:
		return fmt.Errorf("%s: host key: a %s key cannot be accepted", e.Host, e.Kind)
	case e.refusal != "":
		return fmt.Errorf("%s: host key: cannot be accepted: %s", e.Host, e.refusal)
	}
	existing := readKnownHosts([]string{e.file})
	known := slices.ContainsFunc(existing.matching(e.Lookup, ""), func(l knownLine) bool { return publickey.Equal(l.key, e.key) })
	if !known {
		if err := appendLine(e.file, e.Line); err != nil {
			return fmt.Errorf("%s: host key: %w", e.Host, err)
		}
	}
	e.accepted.Store(true)
	return nil
}

// Accepted reports whether Accept has succeeded.
func (e *Error) Accepted() bool { return e.accepted.Load() }

// prepareAccept completes an error about an unknown key with what Accept needs.
func (e *Error) prepareAccept(p Policy) {
	if len(p.UserKnownHostsFiles) > 0 {
		e.file = p.UserKnownHostsFiles[0]
	}
	info, err := os.Stat(e.file)
	switch {
	case p.StrictHostKeyChecking == StrictYes:
		e.refusal = "StrictHostKeyChecking is yes"
	case p.BatchMode && p.StrictHostKeyChecking != StrictAcceptNew: // accept-new needs no answer
		e.refusal = "BatchMode is yes"
	case e.file == "":
		e.refusal = "UserKnownHostsFile is none, so there is no file to write to"
	case err == nil && !info.Mode().IsRegular():
		e.refusal = e.file + " is not a regular file, so the key would not be stored"
	}
	name := e.Lookup
	if p.HashKnownHosts {
		salt := make([]byte, 20) // as long as the hash, as in ssh
		_, _ = rand.Read(salt)   // never fails, crypto/rand
		name = "|1|" + base64.StdEncoding.EncodeToString(salt) + "|" + base64.StdEncoding.EncodeToString(hashName(salt, name))
	}
	e.Line = name + " " + strings.TrimSpace(string(ssh.MarshalAuthorizedKey(e.key)))
}

// Hint is what the user can do about an unknown key, one command or setting a line. It is "" for
// other keys, whose error says it all.
func (e *Error) Hint() string {
	if e.Kind != Unknown {
		return ""
	}
	remedies := []string{
		fmt.Sprintf("compare the fingerprint on the host's own console, then run: %s", e.command),
		fmt.Sprintf("or pin the key in the inventory: ssh: {host_key: %q}", e.Fingerprint),
	}
	if e.scan != "" && e.file != "" {
		remedies = append(remedies, fmt.Sprintf("or, if it prints this key: %s >> %s", e.scan, safetext.Word(e.file)))
	}
	if e.refusal != "" {
		remedies = append(remedies, "kis does not ask about this key: "+e.refusal)
	}
	return strings.Join(remedies, "\n")
}

// appendLine appends a line with one write(2), so that lines of two processes never mix. It begins
// with a newline when the file does not end with one.
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
