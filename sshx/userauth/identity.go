package userauth

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"golang.org/x/crypto/ssh"

	"github.com/keep-it-simple/kis/internal/safetext"
	"github.com/keep-it-simple/kis/sshx/internal/publickey"
)

// collector fills in the offers of a login, in this order: the CertificateFiles; configured keys
// that the agent holds, in the agent's order; configured keys that only files hold; the agent's
// other keys. ssh has the last two the other way round: with many keys in the agent, the host would
// close the connection before the configured key. OpenSSH's default files are not configured keys;
// those that the agent lacks come last, as in ssh.
type collector struct {
	*Login

	ctx       context.Context //nolint:containedctx // it lasts for one call of collect
	files     []*keyFile
	agentKeys []agentKey
	certs     []certificate
}

// collect fills in l.offers and l.notes.
func (l *Login) collect(ctx context.Context, agentKeys []agentKey) {
	if l.settings.NoPublicKey {
		return
	}
	c := &collector{Login: l, ctx: ctx, agentKeys: agentKeys}
	c.files = l.readIdentities()
	c.certs = l.readCertificates(c.files)
	c.addCertificateFiles()
	keys, onlyInFiles, others := c.agentIdentities(), c.fileIdentities(), c.otherAgentKeys()
	if l.settings.DefaultIdentities {
		keys = slices.Concat(keys, others, onlyInFiles)
	} else {
		keys = slices.Concat(keys, onlyInFiles, others)
	}
	for _, o := range keys {
		c.add(o)
	}
}

// add appends o to the offers, unless PubkeyAcceptedAlgorithms or RequiredRSASize exclude it.
func (c *collector) add(o *offer) {
	o.algorithms = signatureAlgorithms(o.public, c.settings.PubkeyAcceptedAlgorithms)
	switch {
	case publickey.ShortRSA(o.public, c.settings.RequiredRSASize) > 0:
		c.note("%s from %s: too short for RequiredRSASize %d", publickey.Fingerprint(o.public), o.source, c.settings.RequiredRSASize)
	case len(o.algorithms) > 0:
		c.offers = append(c.offers, o)
	case o.configured:
		c.note("%s %s from %s: excluded by PubkeyAcceptedAlgorithms", o.public.Type(), publickey.Fingerprint(o.public), o.source)
	}
}

// addCertificateFiles offers the CertificateFiles. Their private keys are those of the identities
// and of the agent, as in ssh.
func (c *collector) addCertificateFiles() {
	for _, cert := range c.certs {
		if cert.file != nil || c.agentHolds(cert.Certificate) {
			continue
		}
		if o := c.findKey(cert.Key); o != nil {
			c.add(&offer{public: cert.Certificate, signer: o.signer, source: cert.path, configured: true})
			continue
		}
		c.note("%s: a certificate whose private key is neither in the agent nor among the identities", cert.path)
	}
}

// findKey returns an offer that can sign for public, or nil.
func (c *collector) findKey(public ssh.PublicKey) *offer {
	for _, k := range c.agentKeys {
		if publickey.Equal(k.public, public) {
			return agentOffer(k)
		}
	}
	for _, f := range c.files {
		if publickey.Equal(f.public, public) {
			if o, problem := c.fileOffer(f); problem == "" {
				return o
			}
		}
	}
	return nil
}

// agentHolds reports whether the agent holds exactly this key or certificate.
func (c *collector) agentHolds(public ssh.PublicKey) bool {
	return slices.ContainsFunc(c.agentKeys, func(k agentKey) bool { return publickey.Equal(k.public, public) })
}

// fileOf returns the index of the identity file of a key, or -1.
func (c *collector) fileOf(k agentKey) int {
	return slices.IndexFunc(c.files, func(f *keyFile) bool { return publickey.Equal(f.public, k.public) })
}

// certificateOf returns the index of the certificate file that has the agent's certificate, or -1.
func (c *collector) certificateOf(k agentKey) int {
	return slices.IndexFunc(c.certs, func(cert certificate) bool { return publickey.Equal(cert.Certificate, k.public) })
}

// agentIdentities offers the configured keys that the agent holds, in the agent's order: they need
// no passphrase. Certificates come before their keys.
func (c *collector) agentIdentities() []*offer {
	var all []*offer
	for _, k := range c.agentKeys {
		if i := c.certificateOf(k); i >= 0 {
			all = append(all, &offer{public: k.public, signer: k.signer, source: "agent (" + c.certs[i].path + ")", configured: true})
			continue
		}
		i := c.fileOf(k)
		if i < 0 {
			continue
		}
		o := agentOffer(k)
		o.configured, o.source = true, "agent ("+c.files[i].path+")"
		all = append(all, c.withCertificates(o, c.files[i])...)
	}
	return all
}

// fileIdentities offers the configured keys that only files hold.
func (c *collector) fileIdentities() []*offer {
	var all []*offer
	for _, f := range c.files {
		if c.agentHolds(f.public) {
			continue
		}
		o, problem := c.fileOffer(f)
		if problem != "" {
			c.note("%s", problem)
			continue
		}
		o.configured = !c.settings.DefaultIdentities
		all = append(all, c.withCertificates(o, f)...)
	}
	return all
}

// otherAgentKeys offers the agent's keys that are not configured.
func (c *collector) otherAgentKeys() []*offer {
	if c.settings.IdentitiesOnly {
		return nil
	}
	var all []*offer
	for _, k := range c.agentKeys {
		if c.fileOf(k) < 0 && c.certificateOf(k) < 0 {
			all = append(all, agentOffer(k))
		}
	}
	return all
}

func agentOffer(k agentKey) *offer {
	source := "agent"
	if k.comment != "" {
		source += " (" + k.comment + ")"
	}
	return &offer{public: k.public, signer: k.signer, source: source}
}

// fileOffer returns the offer of a key file, or why the file cannot sign.
func (c *collector) fileOffer(f *keyFile) (o *offer, problem string) {
	switch {
	case f.unusable != "":
		return nil, f.unusable
	case f.encrypted != nil && c.prompt == nil:
		return nil, fmt.Sprintf("%s: encrypted, and kis cannot ask for the passphrase; run: ssh-add %s", f.path, safetext.Word(f.path))
	}
	return &offer{public: f.public, signer: fileSigner{ctx: c.ctx, login: c.Login, file: f}, source: f.path}, ""
}

// withCertificates puts the certificates beside a key file before its key.
func (c *collector) withCertificates(o *offer, f *keyFile) []*offer {
	var all []*offer
	for _, cert := range c.certs {
		if cert.file == f && publickey.Equal(cert.Key, o.public) && !c.agentHolds(cert.Certificate) {
			all = append(all, &offer{public: cert.Certificate, signer: o.signer, source: o.source + ", certificate", configured: o.configured})
		}
	}
	return append(all, o)
}

// readIdentities reads the IdentityFiles. An unusable file is noted and is not an error: the agent
// may hold its key, which the .pub file beside it identifies.
func (l *Login) readIdentities() []*keyFile {
	var files []*keyFile
	for _, path := range l.settings.IdentityFiles {
		key, err := l.shared.keyFile(path)
		missing := errors.Is(err, fs.ErrNotExist)
		if missing {
			err = fmt.Errorf("%s: no such file", path)
		}
		if err != nil {
			key = nil
			if public := readPublicKey(path + ".pub"); public != nil {
				key = &keyFile{path: path, public: public, unusable: err.Error()}
			}
		}
		switch {
		case key != nil:
			switch i := slices.IndexFunc(files, func(f *keyFile) bool { return publickey.Equal(f.public, key.public) }); {
			case i < 0:
				files = append(files, key)
			case files[i].unusable != "": // the other file has the private half
				files[i] = key
			}
		case missing && l.settings.DefaultIdentities: // the user has not asked for it
		default:
			l.note("%v", err)
		}
		if err != nil && !missing {
			l.settings.Warn(fmt.Sprintf("identity file %v", err))
		}
	}
	return files
}
