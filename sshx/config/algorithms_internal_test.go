package config

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestFastCiphersAreFirst where nobody has chosen an order, and never instead of what somebody has chosen.
func TestFastCiphersAreFirst(t *testing.T) {
	t.Parallel()
	const fast = "aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr"
	for name, test := range map[string]struct {
		configured string
		hasAES     bool
		want       string
	}{
		"the default of OpenSSH 9":  {defaultCiphers7, true, fast},
		"the default of OpenSSH 10": {defaultCiphers10, true, fast},
		"without AES":               {defaultCiphers10, false, defaultCiphers10},
		"chosen":                    {"aes256-ctr,aes128-gcm@openssh.com", true, "aes256-ctr,aes128-gcm@openssh.com"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			list := strings.Split(test.configured, ",")
			assert.Equal(t, test.want, strings.Join(fastCiphersFirst(test.configured, list, test.hasAES), ","))
			assert.Equal(t, test.configured, strings.Join(list, ","))
		})
	}
}
