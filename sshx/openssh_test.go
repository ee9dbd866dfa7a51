package sshx_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh/agent"

	"github.com/keep-it-simple/kis/internal/testenv/opensshtest"
	"github.com/keep-it-simple/kis/sshx"
	"github.com/keep-it-simple/kis/sshx/internal/sshxtest"
	"github.com/keep-it-simple/kis/transfer"
)

func TestOpenSSHRunsCommands(t *testing.T) {
	t.Parallel()
	s := opensshtest.Start(t, opensshtest.Options{})
	c := sshxtest.Dial(t, sshxtest.NewDialer(t), sshxtest.TargetOn(t, s))
	out, errs, err := sshxtest.Run(t, c, "printf hello; printf oops >&2; exit 7")
	var exit *sshx.ExitError
	require.ErrorAs(t, err, &exit)
	assert.Equal(t, 7, exit.Status)
	assert.Equal(t, "hello", out)
	assert.Equal(t, "oops", errs)
	_, _, err = sshxtest.Run(t, c, "kill -KILL $$")
	require.ErrorAs(t, err, &exit)
	assert.Equal(t, "KILL", exit.Signal)
}

func TestOpenSSHTakesUploads(t *testing.T) {
	t.Parallel()
	s := opensshtest.Start(t, opensshtest.Options{})
	c := sshxtest.Dial(t, sshxtest.NewDialer(t), sshxtest.TargetOn(t, s))
	session, err := c.SFTP(sshxtest.Deadline(t))
	require.NoError(t, err)
	content := bytes.Repeat([]byte("package "), 1<<20)
	dst := filepath.Join(s.Dir, "part")
	require.NoError(t, transfer.Put(sshxtest.Deadline(t), session, bytes.NewReader(content), int64(len(content)), dst, transfer.Options{}))
	require.NoError(t, session.Close())
	out, _, err := sshxtest.Run(t, c, "sha256sum < "+dst)
	require.NoError(t, err)
	assert.Equal(t, fmt.Sprintf("%x  -\n", sha256.Sum256(content)), out)

	err = func() error {
		session, err := c.SFTP(sshxtest.Deadline(t))
		require.NoError(t, err)
		defer func() { assert.NoError(t, session.Close()) }()
		return transfer.Put(sshxtest.Deadline(t), session, bytes.NewReader(content), int64(len(content)), dst, transfer.Options{})
	}()
	var e *transfer.Error
	require.ErrorAs(t, err, &e)
	assert.Equal(t, transfer.Exists, e.Kind)
}

func TestOpenSSHWithoutSFTPIsNamed(t *testing.T) {
	t.Parallel()
	s := opensshtest.Start(t, opensshtest.Options{SFTP: "/no/such/sftp-server"})
	c := sshxtest.Dial(t, sshxtest.NewDialer(t), sshxtest.TargetOn(t, s))
	_, err := c.SFTP(sshxtest.Deadline(t))
	require.ErrorIs(t, err, sshx.ErrNoSFTP)
}

func TestOpenSSHWithFewSessionsNamesTheSetting(t *testing.T) {
	t.Parallel()
	s := opensshtest.Start(t, opensshtest.Options{Config: []string{"MaxSessions 1"}})
	c := sshxtest.Dial(t, sshxtest.NewDialer(t), sshxtest.TargetOn(t, s))
	p, err := c.Start(sshxtest.Deadline(t), "cat")
	require.NoError(t, err)
	_, err = c.Start(sshxtest.Deadline(t), "true")
	require.ErrorContains(t, err, "MaxSessions")
	require.NoError(t, p.Close())
}

func TestOpenSSHWithSmallMaxStartupsTakesManyHosts(t *testing.T) {
	t.Parallel()
	s := opensshtest.Start(t, opensshtest.Options{Config: []string{"MaxStartups 10:30:100"}})
	d := sshxtest.NewDialer(t)
	target := sshxtest.TargetOn(t, s)
	errs := make(chan error, 24)
	for range cap(errs) {
		go func() { // counted below
			c, err := d.Dial(sshxtest.Deadline(t), target)
			if err == nil {
				err = c.Close()
			}
			errs <- err
		}()
	}
	for range cap(errs) {
		require.NoError(t, <-errs)
	}
}

func TestOpenSSHThroughOpenSSH(t *testing.T) {
	t.Parallel()
	bastion := opensshtest.Start(t, opensshtest.Options{})
	web := opensshtest.Start(t, opensshtest.Options{})
	jump := sshxtest.TargetOn(t, bastion)
	jump.Name = "bastion"
	target := sshxtest.TargetOn(t, web)
	target.Jump = []sshx.Target{jump}
	c := sshxtest.Dial(t, sshxtest.NewDialer(t), target)
	out, _, err := sshxtest.Run(t, c, "echo through")
	require.NoError(t, err)
	assert.Equal(t, "through\n", out)
	assert.Contains(t, bastion.Log(), "Accepted publickey for "+bastion.User)
	assert.Contains(t, web.Log(), "Accepted publickey for "+web.User)
}

func TestOpenSSHTakesAgentKeysAndCertificates(t *testing.T) {
	t.Parallel()
	k := sshxtest.NewKey(t)
	ca := filepath.Join(t.TempDir(), "ca")
	opensshtest.Keygen(t, ca, "ed25519")
	public := k.File + ".pub"
	require.NoError(t, os.WriteFile(public, []byte(k.Line()), 0o600))
	s := opensshtest.Start(t, opensshtest.Options{Config: []string{"TrustedUserCAKeys " + ca + ".pub"}})
	opensshtest.Run(t, "ssh-keygen", "-q", "-s", ca, "-I", "test", "-n", s.User, public)
	target := sshxtest.TargetOn(t, s)
	target.IdentityFiles = nil
	target.CertificateFiles = []string{k.File + "-cert.pub"}
	target.IdentityAgent = sshxtest.StartAgent(t, agent.AddedKey{PrivateKey: k.Private})
	c := sshxtest.Dial(t, sshxtest.NewDialer(t), target)
	assert.Equal(t, k.Fingerprint(), c.AuthKey())
}

func TestOpenSSHRSAKeysSignWithoutSHA1(t *testing.T) {
	t.Parallel()
	s := opensshtest.Start(t, opensshtest.Options{HostKeyTypes: []string{"rsa"}})
	k := filepath.Join(t.TempDir(), "id_rsa")
	opensshtest.Keygen(t, k, "rsa")
	line, err := os.ReadFile(k + ".pub")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(s.UserKey+".pub", line, 0o600))
	target := sshxtest.TargetOn(t, s)
	target.IdentityFiles = []string{k}
	sshxtest.Dial(t, sshxtest.NewDialer(t), target) // this sshd refuses SHA-1 signatures
}
