package inventory

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const edKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ5yk3nPVdnIIBmhvVfVvqoRVIrjsBnW7/yBqkvnP1wT"

func TestHostKeysArePinnedWhereverSSHSettingsAre(t *testing.T) {
	t.Parallel()
	fingerprint := "SHA256:" + strings.Repeat("A", 43)
	inv, err := Parse("i", []byte(`
ssh: {host_key: "`+fingerprint+`"}
groups: {db: {hosts: [db1, db2], ssh: {host_key: "SHA256:`+strings.Repeat("B", 43)+`"}}}
hosts: {db2: {ssh: {host_key: "`+edKey+`"}}}
stages: {s: {hosts: [web1, db]}}
`))
	require.NoError(t, err)
	assert.Equal(t, fingerprint, hostNamed(t, inv, "web1").SSH.HostKey)
	assert.Equal(t, "SHA256:"+strings.Repeat("B", 43), hostNamed(t, inv, "db1").SSH.HostKey)
	assert.Equal(t, edKey, hostNamed(t, inv, "db2").SSH.HostKey)
}

func TestWhatIsNoHostKeyIsRefused(t *testing.T) {
	t.Parallel()
	for _, key := range []string{
		"MD5:x", "SHA256:short", "ssh-ed25519", "ssh-ed25519 AAAA", "ssh-dss " + strings.Repeat("A", 60), edKey + " root@web1", "ssh-rsa" + strings.TrimPrefix(edKey, "ssh-ed25519"),
		edKey[:len(edKey)-1] + "!", "ssh-ed25519-cert-v01@openssh.com " + strings.Repeat("A", 60),
	} {
		require.Error(t, checkHostKey(key), key)
	}
	assert.Equal(t, []string{
		`1:17 ssh.host_key: "MD5:x" is no host key; write its fingerprint, SHA256:… as ssh-keygen -l prints it, or type and text of its .pub file without the comment`,
	}, refused(t, "ssh: {host_key: MD5:x}\n"+ok))
	assert.Equal(t, []string{
		"1:17 ssh.host_key: the text after ssh-rsa is no key of this type; copy it again from the .pub file",
	}, refused(t, "ssh: {host_key: 'ssh-rsa"+strings.TrimPrefix(edKey, "ssh-ed25519")+"'}\n"+ok))
}
