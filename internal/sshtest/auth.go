package sshtest

import (
	"time"

	"golang.org/x/crypto/ssh"
)

// publicKey records what is offered before it decides. The x/crypto server asks
// once per key and caches the answer, so an enquiry and its signature are one
// record here; authenticated reports which of them logged in.
func (h *Host) publicKey(checker *ssh.CertChecker) func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) {
	return func(meta ssh.ConnMetadata, k ssh.PublicKey) (*ssh.Permissions, error) {
		if d := h.options.Faults.AuthDelay; d > 0 {
			<-time.After(d)
		}
		permissions, err := checker.Authenticate(meta, k)
		h.record.add(func(r *Record) {
			r.Auths = append(r.Auths, Auth{
				User: meta.User(), Method: "publickey", Key: ssh.FingerprintSHA256(k), OK: err == nil,
			})
		})
		return permissions, err
	}
}

// authenticated records the other methods; publickey is recorded with its key.
func (h *Host) authenticated(meta ssh.ConnMetadata, method string, err error) {
	if method == "publickey" {
		return
	}
	h.record.add(func(r *Record) {
		r.Auths = append(r.Auths, Auth{User: meta.User(), Method: method, OK: err == nil})
	})
}
