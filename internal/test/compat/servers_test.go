package compat

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
)

// same leaves the configuration of sshd as it is.
func same(line string) string { return line }

// settings are more of them, which win over those of the file.
func settings(more ...string) func(*testenv.Env, *hosttest.Host) {
	return func(w *testenv.Env, h *hosttest.Host) { sshd(w, h, same, more...) }
}

// subsystem replaces what sshd starts for SFTP; "" takes it away.
func subsystem(command string) func(*testenv.Env, *hosttest.Host) {
	return func(w *testenv.Env, h *hosttest.Host) {
		sshd(w, h, func(line string) string {
			if !strings.HasPrefix(line, "Subsystem") {
				return line
			}
			if command == "" {
				return ""
			}
			return "Subsystem sftp " + command + "\n"
		})
	}
}

// otherFolders is an SFTP that does not see the repository, as one that is shut up in a folder of its own.
func otherFolders(w *testenv.Env, h *hosttest.Host) {
	subsystem("/media/sftp")(w, h)
	h.Shell(w.T, `cat >/media/sftp <<'END'
#!/bin/sh
exec unshare --user --map-root-user --mount sh -c 'mount -t tmpfs none /var/webcode && exec /usr/lib/openssh/sftp-server'
END
chmod 755 /media/sftp`)
}

// smallFiles is an SFTP that may not write as much as an archive has, see setrlimit(2).
func smallFiles(w *testenv.Env, h *hosttest.Host) {
	subsystem("/media/sftp")(w, h)
	h.Shell(w.T, `cat >/media/sftp <<'END'
#!/bin/sh
trap '' XFSZ
ulimit -f 1
exec /usr/lib/openssh/sftp-server
END
chmod 755 /media/sftp`)
}

// key puts options in front of the key that may log in.
func key(options string) func(*testenv.Env, *hosttest.Host) {
	return func(w *testenv.Env, h *hosttest.Host) {
		file := filepath.Join(h.Home, ".ssh", "authorized_keys")
		text, err := os.ReadFile(file)
		require.NoError(w.T, err)
		w.T.Cleanup(func() { require.NoError(w.T, os.WriteFile(file, text, 0o600)) })
		require.NoError(w.T, os.WriteFile(file, append([]byte(options+" "), text...), 0o600))
	}
}

// dropbear is another SSH server, without a file transfer of its own, with the same host key.
func dropbear(w *testenv.Env, h *hosttest.Host) {
	own := filepath.Join(w.T.TempDir(), "key")
	hosttest.Run(w.T, "dropbearconvert", "openssh", "dropbear", h.HostKey(), own)
	serve(w, h, func(port string) []string {
		return []string{"/usr/sbin/dropbear", "-F", "-r", own, "-p", "127.0.0.1:" + port, "-P", ""}
	})
}

// servers are hosts with another SSH server, another configuration of it, or another idea of whom to let in.
func servers() []odd {
	over := []string{"SFTP failed, uploading over the agent"}
	only := []string{"HOST: connect: the account may use SFTP only", "remove ForceCommand internal-sftp for kistest"}
	ended := []string{"HOST: connect: authentication: ", "the host closed the connection", "has the account expired", "/etc/nologin"}
	forced := []string{"HOST: connect: the command was not run", "ForceCommand, command= in authorized_keys", "try: ssh HOST true"}
	return []odd{
		{name: "no SFTP", make: subsystem(""), pushed: over},
		{name: "SFTP that is not there", make: subsystem("/nowhere/sftp-server"), pushed: over},
		{name: "SFTP that ends", make: subsystem("/bin/true"), pushed: over},
		{name: "U9: SFTP that may only read", make: subsystem("/usr/lib/openssh/sftp-server -R"), pushed: over},
		{name: "U6,U9: SFTP that stops in the middle", make: smallFiles, pushed: over},
		{name: "U9: SFTP that sees other folders", make: otherFolders, pushed: over},
		{name: "SFTP inside of sshd", make: subsystem("internal-sftp"), silent: over},
		{name: "N14: SFTP only", make: settings("ForceCommand=internal-sftp"), refused: true, says: only},
		{name: "SFTP only, in a folder of its own", make: settings("ForceCommand=internal-sftp", "ChrootDirectory=/var"), refused: true, says: only},
		{name: "a folder of its own, without a shell", make: settings("ChrootDirectory=/var"), refused: true, says: []string{"HOST: connect: "}},
		{name: "SFTP in another folder", make: subsystem("internal-sftp -d /tmp"), silent: over},
		{name: "N14: another command", make: settings("ForceCommand=/bin/echo closed for today"), refused: true, says: append(forced, "closed for today")},
		{name: "N14: another command of the key", make: key(`command="/bin/true"`), refused: true, says: forced},
		{name: "N14: a command that runs ours", make: settings("ForceCommand=sh -c \"$SSH_ORIGINAL_COMMAND\""), silent: over},
		{name: "a command of the key that runs ours", make: key(`command="eval \"$SSH_ORIGINAL_COMMAND\""`), silent: over},
		{name: "a restricted key", make: key("restrict"), silent: over},
		{name: "no terminals, no forwarding", make: settings("PermitTTY=no", "DisableForwarding=yes"), silent: over},
		{name: "N16: one session", make: settings("MaxSessions=1"), pushed: over},
		{name: "N16: no session", make: settings("MaxSessions=0"), refused: true, says: []string{"HOST: connect: ", "MaxSessions"}},
		{name: "a banner", make: settings("Banner=/etc/debian_version"), silent: over},
		{name: "a script of the login that prints", make: func(w *testenv.Env, h *hosttest.Host) { start(w.T, h, ".ssh/rc", "echo welcome; cat") }},
		{name: "H1: a script of all logins that prints", make: inside(sshrc), says: []string{"HOST: the login shell prints text without a terminal: welcome to all"}, pushed: over},
		{name: "H1: a script of all shells that prints", make: bashEnv, silent: append(over, "welcome")},
		{name: "N11: an account that is locked", make: locked, refused: true, says: []string{"HOST: connect: authentication: login as kistest refused"}},
		{name: "N11: an account that has expired", make: shadow(8, "1"), refused: true, says: ended},
		{name: "N11: a password that has expired", make: shadow(3, "0"), refused: true, says: []string{"HOST: connect: the password has expired", "sudo chage -M -1 -d today kistest"}},
		{
			name: "N11: passwords only", make: settings("PubkeyAuthentication=no", "PasswordAuthentication=yes"), refused: true,
			says: []string{"HOST: connect: authentication: ", "because there is no terminal", "the host accepts no keys: answer its questions"}, silent: []string{"authorized_keys"},
		},
		{name: "N11: maintenance", make: maintenance, refused: true, says: ended},
		{name: "U10: dropbear", make: dropbear},
	}
}

// shadow changes a field of the deploying user's line in shadow(5).
func shadow(n int, value string) func(*testenv.Env, *hosttest.Host) {
	return func(w *testenv.Env, h *hosttest.Host) { account(w.T, h, "/etc/shadow", n, value) }
}

// locked is an account that usermod -L has locked. Where sshd asks no PAM, that is about keys, too.
func locked(w *testenv.Env, h *hosttest.Host) {
	account(w.T, h, "/etc/shadow", 2, "!*")
	sshd(w, h, same, "UsePAM=no")
}

// sshrc is run by sshd for everybody who has none of her own, before the command and before SFTP, see sshd(8).
const sshrc = "mount -t tmpfs -o mode=755 none /srv; cp -a /etc/ssh /srv; echo 'echo welcome to all' >/srv/ssh/sshrc; mount --bind /srv/ssh /etc/ssh"

// bashEnv is what bash reads when it runs a script, unless it was started by sshd.
func bashEnv(w *testenv.Env, h *hosttest.Host) {
	start(w.T, h, ".bash_env", "echo welcome")
	sshd(w, h, same, "SetEnv=BASH_ENV=/home/kistest/.bash_env")
}

// maintenance lets nobody in but root, see pam_nologin(8).
func maintenance(w *testenv.Env, h *hosttest.Host) {
	h.Shell(w.T, "mount -t tmpfs -o mode=755 none /run; mkdir /run/sshd; echo be back soon >/run/nologin")
}
