package sshx

import (
	"bytes"
	"encoding/binary"

	"golang.org/x/crypto/ssh"
)

// kexReply finds the host's signature in the first key exchange, which is not encrypted: agents that
// restrict keys to hosts want to see it, and x/crypto does not hand it out.
type kexReply struct {
	buffer  []byte
	version bool // the version line has been received
	done    bool
	hostKey []byte
	signed  []byte // the signature of the exchange hash
}

// Messages of RFC 4253 section 7.3, RFC 5656 section 4 and RFC 4419 section 3.
const (
	msgNewKeys  = 21
	maxKexBytes = 1 << 20 // of version, KEXINIT and reply; real ones have some thousand
)

// feed reads what has been received until the host turns encryption on.
func (k *kexReply) feed(received []byte) {
	if k.done {
		return
	}
	k.buffer = append(k.buffer, received...)
	for !k.done && (k.version && k.packet() || !k.version && k.line()) {
	}
	if k.done = k.done || len(k.buffer) > maxKexBytes; k.done {
		k.buffer = nil
	}
}

// line consumes the version line, or one of those that may precede it (RFC 4253 section 4.2), and
// reports whether there was one.
func (k *kexReply) line() bool {
	line, rest, found := bytes.Cut(k.buffer, []byte("\n"))
	if found {
		k.version, k.buffer = bytes.HasPrefix(line, []byte("SSH-")), rest
	}
	return found
}

// packet consumes one packet (RFC 4253 section 6), and reports whether there was one.
func (k *kexReply) packet() bool {
	const head = 5 // the length, and that of the padding
	if len(k.buffer) < head {
		return false
	}
	length, padding := int64(binary.BigEndian.Uint32(k.buffer)), int64(k.buffer[4])
	payload := length - padding - 1
	if payload < 1 || length > maxKexBytes {
		k.done = true
		return false
	}
	if int64(len(k.buffer)) < 4+length {
		return false
	}
	k.message(k.buffer[head : head+payload])
	k.buffer = k.buffer[4+length:]
	return true
}

func (k *kexReply) message(payload []byte) {
	// Of the group exchange, 31 is another message: it has two fields.
	var reply struct {
		HostKey, Public, Signature []byte `sshtype:"31|33"`
	}
	switch {
	case payload[0] == msgNewKeys:
		k.done = true
	case ssh.Unmarshal(payload, &reply) == nil:
		k.hostKey, k.signed = bytes.Clone(reply.HostKey), bytes.Clone(reply.Signature)
	}
}
