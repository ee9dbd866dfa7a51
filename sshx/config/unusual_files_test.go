//go:build unix

package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/sshx"
	"github.com/keep-it-simple/kis/sshx/internal/sshxtest"
)

// TestUnusualConfigurationsAreSSHs: where ssh passes over a file, kis does; where it refuses one, kis
// does, with ssh and without. Without, kis may refuse more, but never reads anything else.
func TestUnusualConfigurationsAreSSHs(t *testing.T) {
	t.Parallel()
	const text = "Host web1\n User included\n Port 2222\n"
	write := func(content string, mode os.FileMode) func(string) error {
		return func(path string) error {
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				return err
			}
			return os.Chmod(path, mode)
		}
	}
	link := func(target string) func(string) error {
		return func(path string) error { return os.Symlink(target, path) }
	}
	for name, c := range map[string]struct {
		place func(path string) error
		more  bool // the reader without ssh refuses more
	}{
		"usual":               {write(text, 0o644), false},
		"empty":               {write("", 0o644), false},
		"missing":             {func(string) error { return nil }, false},
		"a directory":         {func(path string) error { return os.Mkdir(path, 0o755) }, false},
		"a dangling link":     {link("nowhere"), false},
		"a link to itself":    {link("file"), false},
		"below a file":        {link("config/x"), false},
		"/dev/null":           {link("/dev/null"), false},
		"others may write it": {write(text, 0o666), false},
		// The private group of a user counts as the user in Debian's ssh.
		"the group may write it":      {write(text, 0o664), true},
		"nobody may write it":         {write(text, 0o400), false},
		"line ends of Windows":        {write(strings.ReplaceAll(text, "\n", "\r\n"), 0o644), false},
		"line ends of old Macs":       {write(strings.ReplaceAll(text, "\n", "\r"), 0o644), true},
		"a byte order mark":           {write("\ufeff"+text, 0o644), false},
		"UTF-16":                      {write("\xff\xfe"+strings.Join(strings.Split(text, ""), "\x00")+"\x00", 0o644), false},
		"a NUL in a value":            {write("User a\x00b\n", 0o644), true},
		"a NUL in a comment":          {write("# a\x00b\nUser c\n", 0o644), false},
		"a form feed":                 {write("\fUser a\n", 0o644), false},
		"a vertical tab between":      {write("User\va\n", 0o644), false},
		"an unknown option":           {write("Prot 22\n", 0o644), false},
		"an ignored option":           {write("IgnoreUnknown Frob*,prot\nFrobnicate yes\nProt 1\nUser a\n", 0o644), false},
		"an ignored option too late":  {write("Prot 1\nIgnoreUnknown prot\n", 0o644), false},
		"an ignored option elsewhere": {write("IgnoreUnknown x\nProt 1\n", 0o644), false},
		"obsolete options":            {write("Protocol 2\nUsePrivilegedPort no\nUser a\n", 0o644), false},
		"a long value":                {write("IdentityFile /"+strings.Repeat("x", 4000)+"\n", 0o644), false},
		"a long comment":              {write("#"+strings.Repeat("x", 1<<20)+"\nUser a\n", 0o644), true},
		"no final newline":            {write("User a", 0o644), false},
		"an option without a value":   {write("User\n", 0o644), true},
		"quotes without a second":     {write("User \"a\n", 0o644), true},
		"two values":                  {write("User a b\n", 0o644), false},
		"a port that is none":         {write("Port many\n", 0o644), false},
		"a negative port":             {write("Port -1\n", 0o644), false},
		"a switch that is none":       {write("BatchMode maybe\n", 0o644), true},
		"Match exec":                  {write("Match exec \"test %h = web1\"\n User a\n", 0o644), true},
		"Match exec that fails":       {write("Match exec \"exit 3\"\n User a\n", 0o644), true},
		"single quotes":               {write("User 'a'\n", 0o644), true},
		"one single quote":            {write("User o'neil\n", 0o644), false},
		"tokens":                      {write("IdentityFile %d/%h-%n-%p-%r-%u-%%\nUserKnownHostsFile %d/%h\n", 0o644), false},
		"a file of another user":      {write("IdentityFile ~root/x\nUserKnownHostsFile ~root/y\n", 0o644), false},
		"an unknown user":             {write("IdentityFile ~nobody-like-this/x\n", 0o644), false},
		"a nested include":            {write("Include /nowhere/*.conf\nUser a\n", 0o644), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, named := range []bool{true, false} {
				withSSH, without := sshxtest.Resolvers(t, "")
				dir := filepath.Dir(withSSH.ConfigFile)
				file := filepath.Join(dir, "file")
				require.NoError(t, c.place(file))
				if named {
					withSSH.ConfigFile, without.ConfigFile = file, file
				} else {
					require.NoError(t, os.WriteFile(withSSH.ConfigFile, []byte("Include "+file+"\nHost *\n User after\n"), 0o600))
				}
				want, err := withSSH.Resolve(t.Context(), sshx.Host{Name: "web1"})
				got, alone := without.Resolve(t.Context(), sshx.Host{Name: "web1"})
				if err != nil {
					require.Error(t, alone, "ssh refuses it (named: %v): %v", named, err)
					continue
				}
				if c.more && alone != nil {
					continue
				}
				require.NoError(t, alone, "named: %v", named)
				assert.Equal(t, settled(want, corpusCase{}), settled(got, corpusCase{}), "named: %v", named)
			}
		})
	}
}
