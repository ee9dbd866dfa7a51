package fleet

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/sshx"
)

func TestHostsBehindOneJumpHostShareItsConnection(t *testing.T) {
	t.Parallel()
	behind := sshx.Target{Jump: []sshx.Target{{Name: "bastion"}}}
	proxied := sshx.Target{Name: "web9", ProxyCommand: []string{"nc", "web9", "22"}}
	assert.Equal(t, 3, descriptors([]sshx.Target{{Name: "web1"}, {Name: "web2"}, {Name: "web3"}}))
	assert.Equal(t, 2, descriptors([]sshx.Target{behind, {Name: "web1"}, behind, behind}))
	assert.Equal(t, 5, descriptors([]sshx.Target{{Name: "web1"}, proxied}))
}

func TestTooFewDescriptorsAreRefusedWithACommand(t *testing.T) {
	t.Parallel()
	f := &Fleet{Forks: 10}
	require.NoError(t, f.enough(1000, 1000+10+spareDescriptors))
	few, ok := errors.AsType[*tooFewFiles](f.enough(1000, 1024))
	require.True(t, ok)
	assert.Equal(t, "this machine allows kis 1024 open files, and this takes 1050", few.Error())
	assert.Contains(t, few.Hint(), "ulimit -n 1050 ")
}
