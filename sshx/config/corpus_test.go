package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/sshx"
	"github.com/keep-it-simple/kis/sshx/config"
	"github.com/keep-it-simple/kis/sshx/internal/sshxtest"
)

// rhel is what stands in /etc/ssh on RHEL 9 and its relatives.
const rhel = `Include DIR/ssh_config.d/*.conf
`

const rhelCrypto = `# The options here are in the "Match final block" to be applied as the last
# options and could be potentially overwritten by the user configuration
Match final all
	# Follow system-wide Crypto Policy, if defined:
	Include DIR/openssh.config

	GSSAPIAuthentication yes
	ForwardX11Trusted yes
`

const rhelPolicy = `Ciphers aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,aes256-ctr,aes128-gcm@openssh.com,aes128-ctr
MACs hmac-sha2-256-etm@openssh.com,hmac-sha1-etm@openssh.com,umac-128-etm@openssh.com,hmac-sha2-512-etm@openssh.com,hmac-sha2-256
GSSAPIKexAlgorithms gss-curve25519-sha256-,gss-nistp256-sha256-
KexAlgorithms curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,diffie-hellman-group14-sha256
PubkeyAcceptedAlgorithms ecdsa-sha2-nistp256,ssh-ed25519,rsa-sha2-256,rsa-sha2-512
HostKeyAlgorithms ecdsa-sha2-nistp256,ecdsa-sha2-nistp256-cert-v01@openssh.com,ssh-ed25519,rsa-sha2-256,rsa-sha2-512
CASignatureAlgorithms ecdsa-sha2-nistp256,ssh-ed25519,rsa-sha2-256,rsa-sha2-512
RequiredRSASize 2048
`

// corpusCase is a directory of configuration files, of which config is the first, and what the
// reader without ssh makes of it.
type corpusCase struct {
	name  string
	files map[string]string
	// refused is what the reader without ssh names instead of guessing; "": it agrees with ssh.
	refused string
}

func configFile(text string) map[string]string { return map[string]string{"config": text} }

func corpus() []corpusCase {
	return []corpusCase{
		{"stock RHEL", map[string]string{"config": rhel, "ssh_config.d/50-redhat.conf": rhelCrypto, "openssh.config": rhelPolicy}, "50-redhat.conf:3: Match final all: not supported without ssh"},
		{"a crypto policy by itself", configFile(rhelPolicy), ""},
		{"stock Debian", configFile("Include DIR/ssh_config.d/*.conf\n\nHost *\n    SendEnv LANG LC_*\n    HashKnownHosts yes\n    GSSAPIAuthentication yes\n"), ""},
		{"include in a Host block", map[string]string{"config": "Host web2\n Include DIR/more\nHost web1\n Port 2222\n", "more": "User other\n"}, ""},
		{"include in the Host block that matches", map[string]string{"config": "Host web1\n Include DIR/more\nHost *\n User b\n", "more": "User a\n"}, ""},
		{"a Host line in an included file", map[string]string{"config": "Include DIR/more\nUser b\n", "more": "Host web2\n User a\n"}, ""},
		{"include of include", map[string]string{"config": "Include DIR/more\n", "more": "Include DIR/evenmore\n", "evenmore": "Host web1\n User deep\n"}, ""},
		{"include with a wildcard in order", map[string]string{"config": "Include DIR/d/*.conf\n", "d/20.conf": "User b\n", "d/10.conf": "User a\n"}, ""},
		{"include of two files", map[string]string{"config": "Include DIR/a DIR/b\n", "a": "User a\n", "b": "User b\nPort 2200\n"}, ""},
		{"quoted include", map[string]string{"config": "Include \"DIR/a\"\n", "a": "User a\n"}, "config:1: Include"},
		{"Match host with several", configFile("Match host web2,web1\n User a\n"), "config:1: Match host"},
		{"Match not", configFile("Match !host web1\n User a\n"), "config:1: Match !host"},
		{"Match originalhost after HostName", configFile("Host web1\n HostName 192.0.2.1\nMatch originalhost web1\n User a\n"), "config:3: Match originalhost"},
		{"Match host after HostName", configFile("Host web1\n HostName real.example.org\nMatch host real.example.org\n User a\n"), "config:3: Match host"},
		{"Match localuser", configFile("Match localuser nobody-like-this\n User a\n"), "config:1: Match localuser"},
		{"Match exec that fails", configFile("Match exec false\n User a\n"), "config:1: Match exec"},
		{"Match canonical", configFile("Match canonical\n User a\n"), "config:1: Match canonical"},
		{"canonical names", configFile("CanonicalizeHostname yes\nCanonicalDomains example.invalid\n"), "CanonicalizeHostname yes: not supported without ssh"},
		{"canonical names switched off", configFile("CanonicalizeHostname no\n"), ""},
		{"several identities", configFile("IdentityFile ~/.ssh/a\nHost web1\n IdentityFile /keys/%h-%r\n IdentityFile \"/keys/b c\"\nHost *\n IdentityFile /keys/d\n"), ""},
		{"no identities", configFile("IdentityFile none\n"), ""},
		{"identities by environment", configFile("IdentityFile ${KEYS}/k\nCertificateFile ${KEYS}/k-cert.pub\n"), ""},
		{"tokens in HostName", configFile("Host web1\n HostName %h.example.org\n Port 2222\n"), ""},
		{"a per cent sign in HostName", configFile("Host web1\n HostName fe80::1%%eth0\n"), ""},
		{"an IPv6 address", configFile("Host web1\n HostName 2001:DB8::1\n"), ""},
		{"tokens in known hosts files", configFile("UserKnownHostsFile /known/%h-%p /known/%n.%r\n"), ""},
		{"no known hosts files", configFile("UserKnownHostsFile none\nGlobalKnownHostsFile /dev/null\n"), ""},
		{"quoted known hosts files", configFile("UserKnownHostsFile \"/known/a b\" /known/c\n"), "quotes"},
		{"upper case alias", configFile("HostKeyAlias WEB\n"), ""},
		{"jump chain", configFile("Host web1\n ProxyJump a,me@b:2200,c\nHost a\n Port 2022\n"), ""},
		{"a jump host with a jump host", configFile("Host web1\n ProxyJump a\nHost a\n ProxyJump b\nHost b\n User deep\n"), ""},
		{"a jump host in a chain has its own replaced", configFile("Host web1\n ProxyJump x,a\nHost a\n ProxyJump never\n"), ""},
		{"a jump host with a ProxyCommand", configFile("Host web1\n ProxyJump a\nHost a\n ProxyCommand nc %h %p\n"), ""},
		{"jump host as a URI", configFile("Host web1\n ProxyJump ssh://me@bastion:2200\n"), ""},
		{"jump host by address", configFile("Host web1\n ProxyJump me@[2001:db8::2]:2200\n"), ""},
		{"jump none before a jump", configFile("Host web1\n ProxyJump none\nHost *\n ProxyJump a\n"), ""},
		{"a user of a domain", configFile("User CORP\\jane\n"), ""},
		{"a user of a domain in quotes", configFile("User \"CORP\\jane\"\n"), ""},
		{"a user of a domain, escaped", configFile("User CORP\\\\jane\n"), "config:1: User CORP\\\\jane: a backslash"},
		{"an escaped space", configFile("IdentityFile /keys/a\\ b\n"), "config:1: IdentityFile /keys/a\\ b: a backslash"},
		{"a user with an at sign", configFile("User jane@corp.example\n"), ""},
		{"users of domains at jump hosts", configFile("Host web1\n ProxyJump CORP\\joe@a,jane@corp.example@b:2200\n"), ""},
		{"a user of a jump host in a URI", configFile("Host web1\n ProxyJump ssh://jane%40corp.example@a:2200\n"), ""},
		{"ProxyCommand", configFile("Host web1\n ProxyCommand nc -x \"proxy:1080\" %h %p\n User deploy\n"), ""},
		{"ProxyCommand none", configFile("Host web1\n ProxyCommand none\nHost *\n ProxyCommand nc %h %p\n"), ""},
		{"ProxyCommand with a number sign", configFile("Host web1\n ProxyCommand nc -p \"#1\" %h %p\n"), "config:2: ProxyCommand with #"},
		{"ProxyCommand before ProxyJump", configFile("Host web1\n ProxyCommand nc %h %p\n ProxyJump a\n"), "both set"},
		{"ProxyJump before ProxyCommand", configFile("Host web1\n ProxyJump a\n ProxyCommand nc %h %p\n"), "both set"},
		{"bind address", configFile("BindAddress 127.0.0.5\n"), ""},
		{"times in words", configFile("ConnectTimeout 2m\nServerAliveInterval 1m10\nServerAliveCountMax 0\n"), ""},
		{"connect timeout none", configFile("ConnectTimeout none\n"), ""},
		{"algorithms added", configFile("HostKeyAlgorithms +ssh-rsa\nCiphers +aes128-cbc\nMACs +hmac-sha1\n"), ""},
		{"algorithms first", configFile("HostKeyAlgorithms ^rsa-sha2-512\n"), ""},
		{"algorithms by pattern", configFile("HostKeyAlgorithms -ecdsa*,*cert*\n"), ""},
		{"algorithms replaced", configFile("KexAlgorithms ecdh-sha2-nistp256\nCiphers aes256-ctr\nMACs hmac-sha2-512\nCASignatureAlgorithms rsa-sha2-512\n"), ""},
		{"every method off but one", configFile("PubkeyAuthentication no\nPasswordAuthentication no\nChallengeResponseAuthentication yes\nNumberOfPasswordPrompts 1\n"), ""},
		{"settings of no matter", configFile("ControlMaster auto\nControlPath /tmp/%C\nControlPersist 10m\nCompression yes\nForwardAgent yes\nSendEnv LANG\nSetEnv A=b\nRequestTTY yes\nLocalForward 1 b:2\nLogLevel ERROR\nTCPKeepAlive no\nEscapeChar none\n"), ""},
		{"settings that are named", configFile("KnownHostsCommand /bin/true %H\nVerifyHostKeyDNS yes\nBindInterface lo\n"), ""},
		{"an RSA size", configFile("RequiredRSASize 3072\n"), ""},
		{"no value in quotes", configFile("Host web1\n User=\"a\"\n Port \"2222\"\n"), ""},
		{"tabs between", configFile("Host\tweb1\n\tUser\ta\n"), ""},
		{"a trailing blank", configFile("Host web1 \n User a \n"), ""},
		{"star in the middle", configFile("Host w*1\n User a\n"), ""},
		{"only a negated pattern", configFile("Host !web2\n User a\n"), ""},
		{"upper case Host pattern", configFile("Host WEB1\n User a\n"), ""},
	}
}

// Both readers come to the same Target over many configurations, or the one without ssh says what
// it cannot read, and where.
func TestBothReadersAgreeOnTheCorpus(t *testing.T) {
	t.Parallel()
	for _, c := range corpus() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			withSSH, without := sshxtest.Resolvers(t, "")
			dir := filepath.Dir(withSSH.ConfigFile)
			for name, text := range c.files {
				file := filepath.Join(dir, name)
				require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
				require.NoError(t, os.WriteFile(file, []byte(strings.ReplaceAll(text, "DIR", dir)), 0o600))
			}
			want, err := withSSH.Resolve(t.Context(), sshx.Host{Name: "web1"})
			require.NoError(t, err)
			got, err := without.Resolve(t.Context(), sshx.Host{Name: "web1"})
			if c.refused != "" {
				require.ErrorContains(t, err, c.refused)
				require.ErrorIs(t, err, config.ErrUnsupported)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, settled(want, c), settled(got, c))
		})
	}
}

// settled is comparable, with the lists of algorithms that the case is about. Paths below the real
// home, which is the only one ssh knows, are left out.
func settled(t sshx.Target, c corpusCase) sshx.Target {
	all := ""
	for _, text := range c.files {
		all += text
	}
	kex, ciphers, macs := t.KexAlgorithms, t.Ciphers, t.MACs
	t = comparable(t)
	for keyword, restore := range map[string]func(){
		"KexAlgorithms ": func() { t.KexAlgorithms = kex }, "Ciphers ": func() { t.Ciphers = ciphers }, "MACs ": func() { t.MACs = macs },
	} {
		if strings.Contains(all, keyword) && !strings.Contains(all, keyword+"+") { // of the defaults, each ssh has its own
			restore()
		}
	}
	if !strings.Contains(all, "UserKnownHostsFile") {
		t.UserKnownHostsFiles = nil
	}
	for i := range t.Jump {
		t.Jump[i] = settled(t.Jump[i], c)
	}
	return t
}
