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

// keyFile is one IdentityFile. An encrypted one is decrypted when a host accepts
// its public half, not before, and then once for all hosts of the run.
type keyFile struct {
	path    string
	public  ssh.PublicKey
	signer  ssh.AlgorithmSigner // nil: still encrypted, or the file cannot sign
	sealed  []byte              // the encrypted file
	useless string              // why the file cannot sign without an agent, or ""

	mu     sync.Mutex
	failed error // a person gave up on this key; it is not asked for again
}

// CheckKeyFile reports why the private key in a file, or the public key whose
// private half an agent holds, cannot be used. It is fs.ErrNotExist when there
// is no such file.
func CheckKeyFile(path string) error {
	_, err := readKeyFile(path)
	return err
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
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: is not a file", path) // reading a pipe could take for ever
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if public, _, _, _, err := ssh.ParseAuthorizedKey(content); err == nil {
		return &keyFile{path: path, public: public, useless: path + ": only the public half, and the agent does not hold the other"}, nil
	}
	// OpenSSH ignores keys that others can read; so does kis, with the remedy.
	if mode := info.Mode().Perm(); mode&0o077 != 0 && isMine(info) {
		return nil, fmt.Errorf("%s: others can read it (mode %04o); run: chmod 600 %s", path, mode, path)
	}
	return parseKeyFile(path, content)
}

func parseKeyFile(path string, content []byte) (*keyFile, error) {
	public, cipher := openSSHPublic(content)
	if public != nil && isFIDO(public) {
		return &keyFile{path: path, public: public, useless: fmt.Sprintf("%s: a FIDO key (%s), with which only an agent can sign for kis; run: ssh-add %s", path, public.Type(), path)}, nil
	}
	signer, err := ssh.ParsePrivateKey(content)
	var sealed *ssh.PassphraseMissingError
	switch {
	case err == nil:
		as, ok := signer.(ssh.AlgorithmSigner)
		if !ok {
			return nil, fmt.Errorf("%s: a key of type %s cannot be used from a file; run: ssh-add %s", path, signer.PublicKey().Type(), path)
		}
		return &keyFile{path: path, public: signer.PublicKey(), signer: as}, nil
	case errors.As(err, &sealed):
		if public == nil { // PEM formats hide it; ssh-keygen writes it next to the key
			public = readPublic(path + ".pub")
		}
		if public == nil {
			return nil, fmt.Errorf("%s: encrypted, and %s.pub is missing; run: ssh-keygen -y -f %s > %s.pub, or: ssh-add %s", path, path, path, path, path)
		}
		k := &keyFile{path: path, public: public, sealed: content}
		if cipher != "" && cipher != "aes256-ctr" && cipher != "aes256-cbc" { // asking for a passphrase would be in vain
			k.useless = fmt.Sprintf("%s: encrypted with %s, which kis cannot decrypt; run: ssh-add %s", path, safetext.Line(cipher), path)
		}
		return k, nil
	case bytes.Contains(content, []byte("PRIVATE KEY")):
		return nil, fmt.Errorf("%s: this kind of key cannot be used from a file (%s); run: ssh-add %s", path, safetext.Line(err.Error()), path)
	}
	return nil, fmt.Errorf("%s: not a private key", path)
}

// openSSHPublic reads the public half and the name of the cipher, which OpenSSH's
// format (PROTOCOL.key) leaves in the clear. Other formats give nil.
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

// readPublic reads a .pub file, or returns nil.
func readPublic(path string) ssh.PublicKey {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	public, _, _, _, err := ssh.ParseAuthorizedKey(text)
	if err != nil {
		return nil
	}
	return public
}

// open returns the key's signer, asking for the passphrase when it has to, as
// often as tries says. All hosts that need the key wait for one answer.
func (k *keyFile) open(ctx context.Context, ask Prompt, tries int) (ssh.AlgorithmSigner, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.signer != nil || k.failed != nil {
		return k.signer, k.failed
	}
	again := ""
	for range tries {
		phrase, err := ask(ctx, fmt.Sprintf("%sPassphrase for key %s: ", again, k.path), false)
		switch {
		case err != nil && ctx.Err() != nil: // this login has ended; others may still want the key
			return nil, fmt.Errorf("passphrase: %w", err)
		case err != nil:
			k.failed = fmt.Errorf("passphrase: %w", err)
			return nil, k.failed
		case phrase == "": // as ssh: nothing typed means the next key
			k.failed = errors.New("no passphrase was given")
			return nil, k.failed
		}
		signer, err := ssh.ParsePrivateKeyWithPassphrase(k.sealed, []byte(phrase))
		// The old PEM encryption has no check of its own: now and then a wrong
		// passphrase gives something that only then turns out to be no key.
		if errors.Is(err, x509.IncorrectPasswordError) || err != nil && bytes.Contains(k.sealed, []byte("Proc-Type: 4,ENCRYPTED")) {
			again = "Wrong. "
			continue
		}
		as, ok := signer.(ssh.AlgorithmSigner)
		if err == nil && ok {
			k.signer = as
			return as, nil
		}
		k.failed = fmt.Errorf("cannot be decrypted here (%w); run: ssh-add %s", err, k.path)
		return nil, k.failed
	}
	k.failed = errors.New("wrong passphrase")
	return nil, k.failed
}

// lazySigner signs with a key file that may still be encrypted. It implements
// ssh.AlgorithmSigner, because x/crypto would use SHA-1 with an RSA key otherwise.
type lazySigner struct {
	ctx context.Context //nolint:containedctx // x/crypto's Signer has none to pass; it lives for one handshake
	key *keyFile
	ask Prompt
	// tries is how often a person is asked.
	tries int
	// wait stops the clock of the handshake while a person is asked, maybe by
	// another host's handshake, for the same passphrase.
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
	signer, err := s.key.open(s.ctx, s.ask, s.tries)
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

// isMine tells whether the user who runs kis owns a file. ssh minds the mode of
// a key only then: whoever mounts keys of another owner has decided about them.
func isMine(info fs.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	return !ok || int(s.Uid) == os.Getuid()
}
