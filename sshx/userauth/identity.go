package userauth

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"golang.org/x/crypto/ssh"

	"github.com/keep-it-simple/kis/sshx/internal/publickey"
)

// identities is what may be offered to one host, in the order in which it will
// be, and notes about what will not.
type identities struct {
	offers []*offer
	notes  []string
}

func (i *identities) note(format string, args ...any) {
	i.notes = append(i.notes, fmt.Sprintf(format, args...))
}

// collection puts the identities of one login in order: the CertificateFiles;
// what the configuration names and the agent holds, as the agent lists it; what
// it names and only files hold; the agent's other keys. That is ssh's order but
// for the last two, which ssh has the other way round: with many keys in the
// agent the server would hang up before the key that was named comes. With
// OpenSSH's default files nobody has named anything, and those that the agent
// lacks come last, as in ssh.
type collection struct {
	identities

	settings  Settings
	files     []*keyFile
	agentKeys []agentKey
	certs     []certificate
	sign      func(*keyFile) lazySigner
	canAsk    bool
}

// collect reads what the login can offer, beside the keys of an agent.
func (l *Login) collect(ctx context.Context, agentKeys []agentKey) *identities {
	c := &collection{settings: l.settings, agentKeys: agentKeys, canAsk: l.ask != nil, sign: func(k *keyFile) lazySigner {
		return lazySigner{ctx: ctx, key: k, ask: l.ask, tries: l.settings.prompts(), wait: l.waitForPerson}
	}}
	if l.settings.NoPublicKey {
		return &c.identities
	}
	c.files = l.readIdentities(&c.identities)
	c.certs = readCertificates(l.settings, c.files, &c.identities)
	c.certificateFiles()
	named := c.held()
	files, others := c.unheld(), c.others()
	if l.settings.DefaultIdentities {
		named = slices.Concat(named, others, files)
	} else {
		named = slices.Concat(named, files, others)
	}
	for _, o := range named {
		c.add(o)
	}
	return &c.identities
}

// add keeps back what PubkeyAcceptedAlgorithms and RequiredRSASize leave out.
func (c *collection) add(o *offer) {
	o.algorithms = signatures(o.public, c.settings.Algorithms)
	switch {
	case publickey.ShortRSA(o.public, c.settings.RequiredRSASize) > 0:
		c.note("%s from %s: too short for RequiredRSASize %d", publickey.Fingerprint(o.public), o.label, c.settings.RequiredRSASize)
	case len(o.algorithms) > 0:
		c.offers = append(c.offers, o)
	case o.named:
		c.note("%s %s from %s: PubkeyAcceptedAlgorithms leaves it out", o.public.Type(), publickey.Fingerprint(o.public), o.label)
	}
}

// certificateFiles offers the certificates that were named for themselves. ssh
// finds their private keys among the identities and in the agent.
func (c *collection) certificateFiles() {
	for _, cert := range c.certs {
		if cert.file != nil || c.holds(cert.Certificate) {
			continue
		}
		if o := c.signerOf(cert.Key); o != nil {
			c.add(&offer{public: cert.Certificate, signer: o.signer, label: cert.path, named: true})
			continue
		}
		c.note("%s: a certificate whose private key is neither in the agent nor among the identities", cert.path)
	}
}

// signerOf finds the private half of public.
func (c *collection) signerOf(public ssh.PublicKey) *offer {
	for _, k := range c.agentKeys {
		if publickey.Equal(k.public, public) {
			return c.fromAgent(k)
		}
	}
	for _, f := range c.files {
		if publickey.Equal(f.public, public) {
			if o, why := c.fromFile(f); why == "" {
				return o
			}
		}
	}
	return nil
}

// holds tells whether the agent has that very key or certificate.
func (c *collection) holds(public ssh.PublicKey) bool {
	return slices.ContainsFunc(c.agentKeys, func(k agentKey) bool { return publickey.Equal(k.public, public) })
}

// held offers what the agent has of the configured identities, in its order: it
// needs no passphrase. Certificates precede their keys.
func (c *collection) held() []*offer {
	var all []*offer
	for _, k := range c.agentKeys {
		if i := slices.IndexFunc(c.certs, func(cert certificate) bool { return publickey.Equal(cert.Certificate, k.public) }); i >= 0 {
			all = append(all, &offer{public: k.public, signer: k.signer, label: "agent (" + c.certs[i].path + ")", named: true})
			continue
		}
		i := slices.IndexFunc(c.files, func(f *keyFile) bool { return publickey.Equal(f.public, k.public) })
		if i < 0 {
			continue
		}
		o := c.fromAgent(k)
		o.named, o.label = true, "agent ("+c.files[i].path+")"
		all = append(all, c.withCertificate(o, c.files[i])...)
	}
	return all
}

// unheld offers the configured identities that only files have.
func (c *collection) unheld() []*offer {
	var all []*offer
	for _, f := range c.files {
		if c.holds(f.public) {
			continue
		}
		o, why := c.fromFile(f)
		if why != "" {
			c.note("%s", why)
			continue
		}
		o.named = !c.settings.DefaultIdentities
		all = append(all, c.withCertificate(o, f)...)
	}
	return all
}

// others offers what else the agent has.
func (c *collection) others() []*offer {
	var all []*offer
	for _, k := range c.agentKeys {
		switch {
		case slices.ContainsFunc(c.files, func(f *keyFile) bool { return publickey.Equal(f.public, k.public) }):
		case slices.ContainsFunc(c.certs, func(cert certificate) bool { return publickey.Equal(cert.Certificate, k.public) }):
		case !c.settings.IdentitiesOnly:
			all = append(all, c.fromAgent(k))
		}
	}
	return all
}

func (c *collection) fromAgent(k agentKey) *offer {
	label := "agent"
	if k.comment != "" {
		label += " (" + k.comment + ")"
	}
	return &offer{public: k.public, signer: k.signer, label: label}
}

// fromFile tells why a file cannot sign, if it cannot.
func (c *collection) fromFile(f *keyFile) (o *offer, why string) {
	switch {
	case f.useless != "":
		return nil, f.useless
	case f.sealed != nil && !c.canAsk:
		return nil, fmt.Sprintf("%s: encrypted, and nobody to ask for the passphrase; run: ssh-add %s", f.path, f.path)
	}
	return &offer{public: f.public, signer: c.sign(f), label: f.path}, ""
}

func (c *collection) withCertificate(o *offer, f *keyFile) []*offer {
	var all []*offer
	for _, cert := range c.certs {
		if cert.file == f && publickey.Equal(cert.Key, o.public) && !c.holds(cert.Certificate) {
			all = append(all, &offer{public: cert.Certificate, signer: o.signer, label: o.label + ", certificate", named: o.named})
		}
	}
	return append(all, o)
}

// readIdentities reads the IdentityFiles. What cannot be used is noted, not
// fatal: an agent may hold the key all the same, and the public half next to it
// tells which one that is.
func (l *Login) readIdentities(i *identities) []*keyFile {
	var files []*keyFile
	for _, path := range l.settings.IdentityFiles {
		key, err := l.shared.keys.read(path)
		missing := errors.Is(err, fs.ErrNotExist)
		if missing {
			err = fmt.Errorf("%s: no such file", path)
		}
		if err != nil {
			key = nil
			if public := readPublic(path + ".pub"); public != nil {
				key = &keyFile{path: path, public: public, useless: err.Error()}
			}
		}
		switch {
		case key != nil:
			if !slices.ContainsFunc(files, func(f *keyFile) bool { return publickey.Equal(f.public, key.public) }) {
				files = append(files, key)
			}
		case missing && l.settings.DefaultIdentities: // nobody has named it
		default:
			i.note("%v", err)
		}
		if err != nil && !missing {
			l.settings.Warn(fmt.Sprintf("identity file %v", err))
		}
	}
	return files
}
