package ui

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/keep-it-simple/kis/sshx"
)

func TestSettingsFitAPage(t *testing.T) {
	t.Parallel()
	target := sshx.Target{
		Name: "web1", User: "deploy", HostName: "2001:db8::1", Port: 22,
		Warnings: []string{strings.Repeat("a long warning ", 20)},
		Settings: []sshx.Setting{
			{Name: "kbdinteractiveauthentication", Value: "yes", Source: "default"},
			{Name: "hostkeyalgorithms", Value: strings.Repeat("ecdsa-sha2-nistp256-cert-v01@openssh.com,", 20), Source: "/etc/ssh/ssh_config"},
			{Name: "identityfile", Value: "/home/ann/" + strings.Repeat("a", 70) + " /b", Source: "/home/ann/" + strings.Repeat("d", 60)},
			{Name: "user", Value: "a\x1b[31mb", Source: "inventory"},
		},
		Jump: []sshx.Target{{Name: "bastion", User: "me", HostName: "192.0.2.9", Port: 2200, Settings: []sshx.Setting{{Name: "port", Value: "2200", Source: "ProxyJump"}}}},
	}
	var b strings.Builder
	printSettings(Printer{&b}, target)
	for line := range strings.Lines(b.String()) {
		assert.LessOrEqual(t, len([]rune(strings.TrimRight(line, "\n"))), 100, line)
		assert.Equal(t, strings.TrimRight(line, " \n"), strings.TrimRight(line, "\n"))
	}
	assert.Contains(t, b.String(), "  jump host bastion  me@192.0.2.9:2200\n    port                          ProxyJump            2200\n")
	assert.Contains(t, b.String(), `a\x1b[31mb`)
	assert.Equal(t, 20, strings.Count(b.String(), "ecdsa-sha2-nistp256-cert-v01@openssh.com,"))
	assert.Equal(t, "deploy@[2001:db8::1]:22", login(target))
	assert.Equal(t, " through bastion", jumpText(target))
	assert.Equal(t, " through ProxyCommand", jumpText(sshx.Target{ProxyCommand: []string{"nc"}}))
}

func TestTheQuestionAboutKeysNamesHostTypeAndFingerprint(t *testing.T) {
	t.Parallel()
	keys := []*sshx.HostKeyError{
		{Host: "web1", KeyType: "ssh-ed25519", Fingerprint: "SHA256:AAA"},
		{Host: "bastion", KeyType: "ssh-rsa", Fingerprint: "SHA256:BBB"},
	}
	question := strings.Join(keyQuestion(keys), "\n")
	assert.Contains(t, question, "  web1     ssh-ed25519  SHA256:AAA\n  bastion  ssh-rsa      SHA256:BBB\n")
	assert.Contains(t, question, "write these 2 keys to ")
	assert.True(t, strings.HasSuffix(question, "? [yes/no]"))
	assert.Contains(t, strings.Join(keyQuestion(keys[:1]), "\n"), "write this key to ")
}
