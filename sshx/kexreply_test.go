package sshx

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/assert"
	"golang.org/x/crypto/ssh"
)

// unencrypted is a packet of RFC 4253 section 6, with a padding of four bytes.
func unencrypted(payload []byte) []byte {
	packet := binary.BigEndian.AppendUint32(nil, uint32(len(payload)+5))
	return append(append(append(packet, 4), payload...), 0, 0, 0, 0)
}

func reply(kind byte, fields ...string) []byte {
	payload := []byte{kind}
	for _, f := range fields {
		payload = append(payload, ssh.Marshal(struct{ F string }{f})...)
	}
	return payload
}

// stream is what a host sends until it turns encryption on, and after that.
func stream(packets ...[]byte) []byte {
	text := []byte("Welcome\r\nSSH-2.0-x\r\n")
	for _, p := range packets {
		text = append(text, unencrypted(p)...)
	}
	return append(text, "\x00\x00\x00\x05\x00encrypted, and of no meaning here"...)
}

func TestSignatureOfTheFirstKeyExchangeIsFound(t *testing.T) {
	t.Parallel()
	kexInit, newKeys := []byte{20, 1, 2, 3}, []byte{21}
	found := reply(31, "key", "public", "signature")
	for name, text := range map[string][]byte{
		"DH, ECDH":                stream(kexInit, found, newKeys, reply(31, "a", "b", "c")),
		"group exchange":          stream(kexInit, reply(31, "p", "g"), reply(33, "key", "public", "signature"), newKeys),
		"an extension before":     stream(kexInit, []byte{7, 0, 0, 0, 0}, found, newKeys),
		"without anything behind": stream(kexInit, found),
	} {
		for _, size := range []int{1, 7, len(text)} {
			var k kexReply
			for rest := text; len(rest) > 0; rest = rest[min(size, len(rest)):] {
				k.feed(rest[:min(size, len(rest))])
			}
			assert.Equal(t, "key signature", string(k.hostKey)+" "+string(k.signed), "%s, %d bytes at a time", name, size)
		}
	}
	var k kexReply
	k.feed(make([]byte, 2*maxKexBytes))
	assert.True(t, k.done && k.buffer == nil, "its memory is bounded")
}

// FuzzKexReply: no host makes it panic, or keep much.
func FuzzKexReply(f *testing.F) {
	f.Add(stream([]byte{20}, reply(31, "key", "public", "signature"), []byte{21}), 3)
	f.Add([]byte("SSH-\n\xff\xff\xff\xff\x00\x1f"), 1)
	f.Add([]byte("SSH-\n\x00\x00\x00\x01\xff\x1f"), 100)
	f.Fuzz(func(t *testing.T, text []byte, size int) {
		var k, whole kexReply
		whole.feed(text)
		size = max(size, 1)
		for rest := text; len(rest) > 0; rest = rest[min(size, len(rest)):] {
			k.feed(rest[:min(size, len(rest))])
		}
		assert.Equal(t, string(whole.hostKey)+string(whole.signed), string(k.hostKey)+string(k.signed))
		assert.LessOrEqual(t, len(k.buffer), maxKexBytes)
	})
}
