package sshx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"golang.org/x/crypto/ssh"
)

// maxOffers is sshd's default MaxAuthTries: every key offered costs one try, and
// after the last the server hangs up.
const maxOffers = 6

// offer is one key or certificate that a host is asked to accept.
type offer struct {
	public ssh.PublicKey
	signer ssh.AlgorithmSigner
	label  string // where it comes from, for the account

	shown  bool  // x/crypto has looked at it, so the host was asked or is next
	signed bool  // the host accepted the public half and got a signature
	failed error // the host accepted the public half and signing failed
}

// PublicKey is what the host is asked to accept.
func (o *offer) PublicKey() ssh.PublicKey {
	o.shown = true
	return o.public
}

// Algorithms keeps x/crypto from SHA-1 signatures, which it would fall back to
// with servers that do not list what they accept.
func (o *offer) Algorithms() []string {
	if typ := plainKey(o.public).Type(); typ != ssh.KeyAlgoRSA {
		return []string{typ}
	}
	return []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
}

// Sign is there for the ssh.Signer interface; x/crypto calls SignWithAlgorithm.
func (o *offer) Sign(rand io.Reader, data []byte) (*ssh.Signature, error) {
	return o.SignWithAlgorithm(rand, data, "")
}

// SignWithAlgorithm is called once the host has accepted the public half.
func (o *offer) SignWithAlgorithm(rand io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	s, err := o.signer.SignWithAlgorithm(rand, data, algorithm)
	o.signed, o.failed = err == nil, err
	return s, err
}

// identities collects what may be offered to t, in the order in which it will
// be, and notes about what will not.
type identities struct {
	offers []*offer
	notes  []string
}

func (i *identities) note(format string, args ...any) {
	i.notes = append(i.notes, fmt.Sprintf(format, args...))
}

// collect puts the keys that the configuration names first, in its order, then
// the agent's other keys. With OpenSSH's default list nobody has named anything,
// and keys that exist only as files come last, as in ssh. Certificates precede
// their keys.
func (d *Dialer) collect(ctx context.Context, t Target, agentKeys []agentKey, ask Prompt, clock *deadline) *identities {
	i := &identities{}
	files := d.readIdentities(t, i)
	certs := readCertificates(t, i)
	var named, late []*offer
	isNamed := map[string]bool{}
	for _, f := range files {
		isNamed[string(plainKey(f.public).Marshal())] = true
		if o := fileOffer(f, agentKeys, i, lazySigner{ctx: ctx, key: f, ask: ask, wait: clock.pause}); o == nil {
			continue
		} else if t.DefaultIdentities && o.label == f.path {
			late = append(late, withCertificates(o, certs)...)
		} else {
			named = append(named, withCertificates(o, certs)...)
		}
	}
	i.offers = named
	for _, k := range agentKeys {
		if isNamed[string(plainKey(k.public).Marshal())] && !isCertificate(k.public) {
			continue // offered above
		}
		o := &offer{public: k.public, signer: k.signer, label: k.label}
		switch {
		case !t.IdentitiesOnly || isNamed[string(plainKey(k.public).Marshal())]:
			i.offers = append(i.offers, withCertificates(o, certs)...)
		case hasCertificate(o, certs):
			w := withCertificates(o, certs)
			i.offers = append(i.offers, w[:len(w)-1]...)
		}
	}
	i.offers = append(i.offers, late...)
	i.limit()
	return i
}

func (i *identities) limit() {
	if held := len(i.offers) - maxOffers; held > 0 {
		i.offers = i.offers[:maxOffers]
		i.note("%d more keys held back, because sshd hangs up after %d; name the right one with IdentityFile and set IdentitiesOnly yes", held, maxOffers)
	}
}

// readIdentities reads the IdentityFiles. What cannot be used is noted, not
// fatal: an agent may hold the key all the same.
func (d *Dialer) readIdentities(t Target, i *identities) []*keyFile {
	var files []*keyFile
	for _, path := range t.IdentityFiles {
		key, err := d.state.keys.read(path)
		if err != nil {
			// The public half tells which key of the agent is meant (FIDO keys,
			// keys that live in the agent only).
			if public, perr := d.state.keys.read(path + ".pub"); perr == nil {
				files = append(files, &keyFile{path: path, public: public.public})
				continue
			}
			if errors.Is(err, fs.ErrNotExist) {
				if !t.DefaultIdentities {
					i.note("%s: no such file", path)
				}
				continue
			}
			i.note("%v", err)
			d.warn(fmt.Sprintf("identity file %v", err))
			continue
		}
		files = append(files, key)
	}
	return files
}

// fileOffer prefers the agent for a key that it holds: it needs no passphrase.
func fileOffer(f *keyFile, agentKeys []agentKey, i *identities, signer lazySigner) *offer {
	for _, k := range agentKeys {
		if sameKey(k.public, f.public) {
			return &offer{public: k.public, signer: k.signer, label: k.label + " (" + f.path + ")"}
		}
	}
	switch {
	case !f.usable:
		i.note("%s: only the public half, and the agent does not hold the other", f.path)
		return nil
	case f.sealed != nil && signer.ask == nil:
		i.note("%s: encrypted, and nobody to ask for the passphrase; add it to ssh-agent", f.path)
		return nil
	}
	return &offer{public: f.public, signer: signer, label: f.path}
}

// readCertificates reads CertificateFile and the -cert.pub next to each identity.
func readCertificates(t Target, i *identities) []*ssh.Certificate {
	paths := slices.Clone(t.CertificateFiles)
	for _, p := range t.IdentityFiles {
		paths = append(paths, p+"-cert.pub")
	}
	var certs []*ssh.Certificate
	for _, p := range paths {
		cert, err := readCertificate(p)
		if err != nil {
			i.note("%v", err)
		}
		if cert != nil {
			certs = append(certs, cert)
		}
	}
	return certs
}

func withCertificates(o *offer, certs []*ssh.Certificate) []*offer {
	var all []*offer
	for _, c := range certs {
		if sameKey(c.Key, o.public) {
			all = append(all, &offer{public: c, signer: o.signer, label: o.label + ", certificate"})
		}
	}
	return append(all, o)
}

func hasCertificate(o *offer, certs []*ssh.Certificate) bool {
	return slices.ContainsFunc(certs, func(c *ssh.Certificate) bool { return sameKey(c.Key, o.public) })
}

func isCertificate(k ssh.PublicKey) bool {
	_, ok := k.(*ssh.Certificate)
	return ok
}
