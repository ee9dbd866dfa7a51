package inventory

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const edKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ5yk3nPVdnIIBmhvVfVvqoRVIrjsBnW7/yBqkvnP1wT"

func TestHostKeyIsInherited(t *testing.T) {
	t.Parallel()
	fingerprint := "SHA256:" + strings.Repeat("A", 43)
	inv, err := Parse("i", []byte(`
ssh: {host_key: "`+fingerprint+`"}
groups: {db: {hosts: [db1, db2], ssh: {host_key: "SHA256:`+strings.Repeat("B", 43)+`"}}}
hosts: {db2: {ssh: {host_key: "`+edKey+`"}}}
stages: {s: {hosts: [web1, db]}}
`), nil)
	require.NoError(t, err)
	assert.Equal(t, fingerprint, hostNamed(t, inv, "web1").SSH.HostKey)
	assert.Equal(t, "SHA256:"+strings.Repeat("B", 43), hostNamed(t, inv, "db1").SSH.HostKey)
	assert.Equal(t, edKey, hostNamed(t, inv, "db2").SSH.HostKey)
}

// The caller checks the key; the inventory adds the place and masks secrets.
func TestHostKeyIsCheckedByCaller(t *testing.T) {
	t.Parallel()
	seen := ""
	_, err := Parse("i", []byte("root: x\nssh: {host_key: 'a:secret@b'}\n"+ok), func(key string) error {
		seen = key
		return errors.New("no key: " + key)
	})
	assert.Equal(t, "a:secret@b", seen)
	var all Errors
	require.ErrorAs(t, err, &all)
	require.Len(t, all, 2, "beside all other errors")
	assert.Equal(t, "i:2:17: ssh.host_key: no key: a:******@b\n  ssh: {host_key: 'a:******@b'}\n                  ^", all[1].Error())
}
