package config_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/sshx"
	"github.com/keep-it-simple/kis/sshx/internal/sshxtest"
)

// sources are those of the settings of a target.
func sources(target sshx.Target) map[string]string {
	all := map[string]string{}
	for _, s := range target.Settings {
		all[s.Name] = s.Source
	}
	return all
}

func TestSettingsNameTheirFile(t *testing.T) {
	t.Parallel()
	r, _ := sshxtest.Resolvers(t, "Host web1\n HostName 192.0.2.1\n User a\n ServerAliveInterval 20\n IdentityFile /k\n")
	r.Explain = true
	target, err := r.Resolve(t.Context(), sshx.Host{Name: "web1", User: "deploy"})
	require.NoError(t, err)
	got := sources(target)
	for name, want := range map[string]string{
		"hostname": r.ConfigFile, "serveraliveinterval": r.ConfigFile, "identityfile": r.ConfigFile, "user": "inventory", "port": "default", "hashknownhosts": "default",
	} {
		assert.Equal(t, want, got[name], name)
	}
}

// The real home cannot be changed for ssh, so this one is simulated.
func TestSettingsDistinguishTheUsersFileFromTheSystems(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	user := filepath.Join(home, ".ssh", "config")
	ssh := sshxtest.Script(t, fmt.Sprintf(`#!/bin/sh
echo "hostname web1"
case "$*" in
*"-F none"*) echo "user me"; echo "port 22"; echo "hashknownhosts no" ;;
*"-F %s"*) echo "user fromuser"; echo "port 22"; echo "hashknownhosts no" ;;
*) echo "user fromuser"; echo "port 22"; echo "hashknownhosts yes" ;;
esac
`, user))
	r := sshx.Resolver{SSH: ssh, Home: home, Explain: true}
	target, err := r.Resolve(t.Context(), sshx.Host{Name: "web1"})
	require.NoError(t, err)
	got := sources(target)
	assert.Equal(t, user, got["user"])
	assert.Equal(t, "/etc/ssh/ssh_config", got["hashknownhosts"])
	assert.Equal(t, "default", got["port"])
	assert.Equal(t, "kis", got["serveraliveinterval"])
}
