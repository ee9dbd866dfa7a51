package sshx

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"

	"golang.org/x/crypto/ssh"
)

// keyFile is one IdentityFile. An encrypted one is decrypted when a host accepts
// its public half, not before, and then once for all hosts of the run.
type keyFile struct {
	path   string
	public ssh.PublicKey
	signer ssh.AlgorithmSigner // nil: public half only, or still encrypted
	sealed []byte              // the encrypted file
	usable bool                // the file alone can sign, maybe after a passphrase

	mu     sync.Mutex
	failed error // a person gave up on this key; it is not asked for again
}

// readKeyFile reads a private key, or a public key whose private half an agent
// holds. fs.ErrNotExist means that there is no such file.
func readKeyFile(path string) (*keyFile, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, fmt.Errorf("%s: is a folder, not a key", path)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if public, _, _, _, err := ssh.ParseAuthorizedKey(content); err == nil {
		return &keyFile{path: path, public: public}, nil
	}
	// OpenSSH ignores keys that others can read; so does kis, with the remedy.
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("%s: others can read it (mode %04o); run: chmod 600 %s", path, mode, path)
	}
	return parseKeyFile(path, content)
}

func parseKeyFile(path string, content []byte) (*keyFile, error) {
	signer, err := ssh.ParsePrivateKey(content)
	var sealed *ssh.PassphraseMissingError
	switch {
	case err == nil:
		as, ok := signer.(ssh.AlgorithmSigner)
		if !ok {
			return nil, fmt.Errorf("%s: a key of type %s cannot be used from a file; add it to ssh-agent", path, signer.PublicKey().Type())
		}
		return &keyFile{path: path, public: signer.PublicKey(), signer: as, usable: true}, nil
	case errors.As(err, &sealed):
		public := sealed.PublicKey
		if public == nil { // PEM formats hide it; ssh-keygen writes it next to the key
			if text, err := os.ReadFile(path + ".pub"); err == nil {
				public, _, _, _, _ = ssh.ParseAuthorizedKey(text)
			}
		}
		if public == nil {
			return nil, fmt.Errorf("%s: encrypted, and %s.pub is missing; run: ssh-keygen -y -f %s > %s.pub, or add the key to ssh-agent", path, path, path, path)
		}
		return &keyFile{path: path, public: public, sealed: content, usable: true}, nil
	case bytes.Contains(content, []byte("PRIVATE KEY")):
		return nil, fmt.Errorf("%s: this kind of key cannot be used from a file (%s); add it to ssh-agent", path, printable(err.Error()))
	}
	return nil, fmt.Errorf("%s: not a private key", path)
}

// open returns the key's signer, asking for the passphrase when it has to.
func (k *keyFile) open(ctx context.Context, ask Prompt) (ssh.AlgorithmSigner, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.signer != nil || k.failed != nil {
		return k.signer, k.failed
	}
	for range 3 { // as ssh's NumberOfPasswordPrompts
		phrase, err := ask(ctx, fmt.Sprintf("Passphrase for key %s: ", k.path), false)
		if err != nil {
			return nil, fmt.Errorf("%s: passphrase: %w", k.path, err)
		}
		signer, err := ssh.ParsePrivateKeyWithPassphrase(k.sealed, []byte(phrase))
		if errors.Is(err, x509.IncorrectPasswordError) {
			continue
		}
		as, ok := signer.(ssh.AlgorithmSigner)
		if err == nil && ok {
			k.signer = as
			return as, nil
		}
		k.failed = fmt.Errorf("%s: cannot be decrypted here (%w); add it to ssh-agent", k.path, err)
		return nil, k.failed
	}
	k.failed = fmt.Errorf("%s: wrong passphrase", k.path)
	return nil, k.failed
}

// lazySigner signs with a key file that may still be encrypted. It implements
// ssh.AlgorithmSigner, because x/crypto would use SHA-1 with an RSA key otherwise.
type lazySigner struct {
	ctx context.Context //nolint:containedctx // x/crypto's Signer has none to pass; it lives for one handshake
	key *keyFile
	ask Prompt
	// wait stops the clock of the handshake while another host's handshake is
	// asking for the same passphrase.
	wait func() (resume func())
}

// PublicKey is known without the passphrase.
func (s lazySigner) PublicKey() ssh.PublicKey { return s.key.public }

// Sign is there for the ssh.Signer interface; x/crypto calls SignWithAlgorithm.
func (s lazySigner) Sign(rand io.Reader, data []byte) (*ssh.Signature, error) {
	return s.SignWithAlgorithm(rand, data, "")
}

// SignWithAlgorithm asks for the passphrase if it has to.
func (s lazySigner) SignWithAlgorithm(rand io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	if s.key.sealed != nil {
		defer s.wait()()
	}
	signer, err := s.key.open(s.ctx, s.ask)
	if err != nil {
		return nil, err
	}
	return signer.SignWithAlgorithm(rand, data, algorithm)
}

// keyring reads every key file once per run.
type keyring struct {
	mu    sync.Mutex
	files map[string]keyResult
}

type keyResult struct {
	key *keyFile
	err error
}

func (r *keyring) read(path string) (*keyFile, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if got, ok := r.files[path]; ok {
		return got.key, got.err
	}
	key, err := readKeyFile(path)
	if r.files == nil {
		r.files = map[string]keyResult{}
	}
	r.files[path] = keyResult{key, err}
	return key, err
}

// readCertificate reads a user certificate; a missing file is no certificate.
func readCertificate(path string) (*ssh.Certificate, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
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
	return cert, nil
}
