package userauth

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"syscall"

	"golang.org/x/crypto/ssh"

	"github.com/keep-it-simple/kis/internal/safetext"
)

// keyFile is one IdentityFile. An encrypted one is decrypted when the first host accepts its public
// key, once for all hosts of the run.
type keyFile struct {
	path      string
	public    ssh.PublicKey
	signer    ssh.AlgorithmSigner // nil: not decrypted yet, or the file cannot sign
	encrypted []byte              // content of an encrypted file
	unusable  string              // why the file cannot sign without an agent, or ""

	mu  sync.Mutex
	err error // decrypting failed; do not ask for the passphrase again
}

// CheckKeyFile returns an error unless the file is usable as an IdentityFile: a private key, or a
// public key whose private half an agent can hold. The error is fs.ErrNotExist when there is no
// such file.
func CheckKeyFile(path string) error {
	_, err := readKeyFile(path)
	return err
}

// readKeyFile reads a private key, or a public key whose private half an agent holds. The error is
// fs.ErrNotExist when there is no such file.
func readKeyFile(path string) (*keyFile, error) {
	content, info, err := readRegular(path)
	if err != nil {
		return nil, err
	}
	if public, _, _, _, err := ssh.ParseAuthorizedKey(content); err == nil {
		return &keyFile{path: path, public: public, unusable: path + ": a public key whose private key the agent does not hold"}, nil
	}
	// ssh ignores keys that other users can read; kis also reports the remedy.
	if mode := info.Mode().Perm(); mode&0o077 != 0 && ownedByUser(info) {
		return nil, fmt.Errorf("%s: others can read it (mode %04o); run: chmod 600 %s", path, mode, safetext.Word(path))
	}
	return parseKeyFile(path, content)
}

// readRegular reads a file, but no pipe, whose writer it would wait for.
func readRegular(path string) ([]byte, fs.FileInfo, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, nil, err
	case info.IsDir():
		return nil, nil, fmt.Errorf("%s: is a directory, not a key", path)
	case !info.Mode().IsRegular():
		return nil, nil, fmt.Errorf("%s: is not a regular file", path)
	}
	content, err := os.ReadFile(path)
	return content, info, err
}

func parseKeyFile(path string, content []byte) (*keyFile, error) {
	public, cipher := openSSHPublic(content)
	if public != nil && isFIDO(public) {
		return &keyFile{path: path, public: public, unusable: fmt.Sprintf("%s: a FIDO key (%s), with which kis can sign through an agent only; run: ssh-add %s", path, public.Type(), safetext.Word(path))}, nil
	}
	signer, err := ssh.ParsePrivateKey(content)
	var encrypted *ssh.PassphraseMissingError
	switch {
	case err == nil:
		as, ok := signer.(ssh.AlgorithmSigner)
		if !ok {
			return nil, fmt.Errorf("%s: a key of type %s cannot be used from a file; run: ssh-add %s", path, signer.PublicKey().Type(), safetext.Word(path))
		}
		return &keyFile{path: path, public: signer.PublicKey(), signer: as}, nil
	case errors.As(err, &encrypted):
		if public == nil { // PEM formats encrypt it; ssh-keygen writes it beside the key
			public = readPublicKey(path + ".pub")
		}
		if public == nil {
			word := safetext.Word(path)
			return nil, fmt.Errorf("%s: encrypted, and %s.pub is missing; run: ssh-keygen -y -f %s > %s, or: ssh-add %s", path, path, word, safetext.Word(path+".pub"), word)
		}
		k := &keyFile{path: path, public: public, encrypted: content}
		if cipher != "" && cipher != "aes256-ctr" && cipher != "aes256-cbc" { // a passphrase would not help
			k.unusable = fmt.Sprintf("%s: encrypted with %s, which kis cannot decrypt; run: ssh-add %s", path, safetext.Line(cipher), safetext.Word(path))
		}
		return k, nil
	case bytes.Contains(content, []byte("PRIVATE KEY")):
		return nil, fmt.Errorf("%s: this kind of key cannot be used from a file (%s); run: ssh-add %s", path, safetext.Line(err.Error()), safetext.Word(path))
	}
	return nil, fmt.Errorf("%s: not a private key", path)
}

// openSSHPublic reads the public key and the name of the cipher, which OpenSSH's format
// (PROTOCOL.key) does not encrypt. It returns nil for other formats.
func openSSHPublic(content []byte) (public ssh.PublicKey, cipher string) {
	block, _ := pem.Decode(content)
	if block == nil || block.Type != "OPENSSH PRIVATE KEY" {
		return nil, ""
	}
	body, ok := bytes.CutPrefix(block.Bytes, []byte("openssh-key-v1\x00"))
	var head struct {
		Cipher, KDF, Options string
		Keys                 uint32
		Public               []byte
		Rest                 []byte `ssh:"rest"`
	}
	if !ok || ssh.Unmarshal(body, &head) != nil {
		return nil, ""
	}
	public, err := ssh.ParsePublicKey(head.Public)
	if err != nil {
		return nil, ""
	}
	return public, head.Cipher
}

// readPublicKey returns nil when it cannot read a public key from the file.
func readPublicKey(path string) ssh.PublicKey {
	text, _, err := readRegular(path)
	if err != nil {
		return nil
	}
	public, _, _, _, err := ssh.ParseAuthorizedKey(text)
	if err != nil {
		return nil
	}
	return public
}

// decrypt returns the key's signer. It asks for the passphrase at most tries times; all logins that
// need the key wait for one answer.
func (k *keyFile) decrypt(ctx context.Context, ask Prompt, tries int) (ssh.AlgorithmSigner, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.signer != nil || k.err != nil {
		return k.signer, k.err
	}
	wrong := ""
	for range tries {
		phrase, err := ask(ctx, fmt.Sprintf("%sPassphrase for key %s: ", wrong, k.path), false)
		switch {
		case err != nil && ctx.Err() != nil: // only this login has ended
			return nil, fmt.Errorf("passphrase: %w", err)
		case err != nil:
			k.err = fmt.Errorf("passphrase: %w", err)
			return nil, k.err
		case phrase == "": // no passphrase means the next key, as in ssh
			k.err = errors.New("no passphrase was given")
			return nil, k.err
		}
		signer, err := ssh.ParsePrivateKeyWithPassphrase(k.encrypted, []byte(phrase))
		// The old PEM encryption has no checksum: a wrong passphrase sometimes decrypts to garbage,
		// and the error is about parsing it.
		if errors.Is(err, x509.IncorrectPasswordError) || err != nil && bytes.Contains(k.encrypted, []byte("Proc-Type: 4,ENCRYPTED")) {
			wrong = "Wrong passphrase. "
			continue
		}
		as, ok := signer.(ssh.AlgorithmSigner)
		if err == nil && ok {
			k.signer = as
			return as, nil
		}
		k.err = fmt.Errorf("cannot be decrypted here (%w); run: ssh-add %s", err, safetext.Word(k.path))
		return nil, k.err
	}
	k.err = errors.New("wrong passphrase")
	return nil, k.err
}

// fileSigner signs with a key file, which it decrypts first if necessary. It implements
// ssh.AlgorithmSigner, because x/crypto would use SHA-1 with an RSA key otherwise.
type fileSigner struct {
	ctx   context.Context //nolint:containedctx // it lasts for one login; x/crypto passes none
	login *Login
	file  *keyFile
}

// PublicKey needs no passphrase.
func (s fileSigner) PublicKey() ssh.PublicKey { return s.file.public }

// Sign implements ssh.Signer; x/crypto calls SignWithAlgorithm.
func (s fileSigner) Sign(rand io.Reader, data []byte) (*ssh.Signature, error) {
	return s.SignWithAlgorithm(rand, data, "")
}

// SignWithAlgorithm asks for the passphrase if necessary. The login's clock stops meanwhile, also
// when the login to another host asks for it.
func (s fileSigner) SignWithAlgorithm(rand io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	if s.file.encrypted != nil {
		defer s.login.pauseForUser()()
	}
	signer, err := s.file.decrypt(s.ctx, s.login.prompt, s.login.settings.passwordPrompts())
	if err != nil {
		return nil, err
	}
	return signer.SignWithAlgorithm(rand, data, algorithm)
}

// keyFile reads each key file once in a run.
func (s *Shared) keyFile(path string) (*keyFile, error) {
	read, _ := s.keyFiles.LoadOrStore(path, sync.OnceValues(func() (*keyFile, error) { return readKeyFile(path) }))
	return read.(func() (*keyFile, error))()
}

// ownedByUser reports whether the user who runs kis owns a file. ssh checks the mode of a key only
// then.
func ownedByUser(info fs.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	return !ok || int(s.Uid) == os.Getuid()
}
