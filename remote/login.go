package remote

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/keep-it-simple/kis/internal/safetext"
)

// Login describes the account that the streams lead to, for the hints of a *StartError. Each member
// may be "".
type Login struct {
	Host   string // as in `ssh HOST`
	User   string // the login user
	Become string // the user that the agent runs as, "" for the login user
}

// on names the account, as in "deploy on web1".
func (l Login) on() string {
	who := l.User
	if who == "" {
		who = "the deploying user"
	}
	if l.Host != "" {
		who += " on " + l.Host
	}
	return who
}

// ssh returns the command that tries the same login.
func (l Login) ssh() string {
	if l.Host == "" {
		return "ssh, with the command true"
	}
	return "ssh " + l.Host + " true"
}

// rule returns the line of sudoers(5) that lets the agent start, and how to add it. Allowing
// /bin/sh with any arguments grants nothing that the one command line with -s would not: its input
// is a program.
func (l Login) rule(line string) string {
	return fmt.Sprintf("add this line on %s, with: sudo visudo -f /etc/sudoers.d/kis\n%s", cmp.Or(l.Host, "the host"), line)
}

// allow returns how to let sudo start the agent.
func (l Login) allow() string {
	if l.Become == "root" {
		return l.rule(l.line()) + "\n" + fmt.Sprintf("with it %s is root; better: `become` a user of the application's own, to whom the repository belongs", cmp.Or(l.User, "USER"))
	}
	return l.rule(l.line())
}

func (l Login) line() string {
	return fmt.Sprintf("%s ALL=(%s) NOPASSWD: /bin/sh", inSudoers(cmp.Or(l.User, "USER")), l.Become)
}

// inSudoers returns the name of a user as sudoers(5) spells it.
func inSudoers(user string) string { return strings.ReplaceAll(user, `\`, `\\`) }

// startupScripts are those that shells read for a command without a terminal. Others, such as
// ~/.profile, are not read then.
const startupScripts = "bash reads ~/.bashrc, zsh ~/.zshenv, fish ~/.config/fish/config.fish, tcsh ~/.cshrc or ~/.tcshrc"

// silent returns the most frequent reason why a login shell does not run a command and prints
// nothing. The script depends on the shell, which does not answer.
func (l Login) silent() string {
	return fmt.Sprintf("is there an exit or exec in a start-up script of %s? %s\n"+
		"or is the account made for other uses (nologin, ForceCommand, command= in authorized_keys)? try: %s", l.on(), startupScripts, l.ssh())
}

// waiting returns the hint for a shell that does not run its command.
func (l Login) waiting() string {
	return fmt.Sprintf("start-up scripts of %s must be silent, and read nothing, without a terminal: %s; try: %s", l.on(), startupScripts, l.ssh())
}

// reason is why no agent was started, as the host's output shows.
type reason struct {
	said          string // part of a line
	message, hint string
}

// reasons are the messages of login shells, sshd and account tools, in English.
func (l Login) reasons() []reason {
	user, host := safetext.Word(cmp.Or(l.User, "USER")), cmp.Or(l.Host, "the host")
	return []reason{
		{"account is currently not available", "the account has no shell (nologin)", fmt.Sprintf("give it one on %s: sudo usermod -s /bin/sh %s", host, user)},
		{"password has expired", "the password has expired, and it cannot be changed without a terminal", fmt.Sprintf("exempt key logins from expiry on %s: sudo chage -M -1 -d today %s", host, user)},
		{"account has expired", "the account has expired", fmt.Sprintf("renew it on %s: sudo chage -E -1 %s", host, user)},
		{
			"allows sftp connections only", "the account may use SFTP only, and kis needs a shell",
			fmt.Sprintf("remove ForceCommand internal-sftp for %s from sshd_config of %s", user, host),
		},
		{": restricted", "the login shell is a restricted one", fmt.Sprintf("give the account an ordinary one on %s: sudo usermod -s /bin/sh %s", host, user)},
		{"/bin/sh: No such file", "there is no /bin/sh", ""},
	}
}

// sudoReasons are the messages of sudo, and of env when sudo is missing or cannot be run. Both
// print English, see Command. Unknown messages of other versions match by the name sudo only.
func (l Login) sudoReasons() []reason {
	user, host := cmp.Or(l.User, "USER"), cmp.Or(l.Host, "the host")
	as := func(text string) string { return fmt.Sprintf(text, user, l.Become) }
	missing := fmt.Sprintf("install it on %s (apt install sudo), or log in as %s and remove `become`", host, l.Become)
	return []reason{
		{"unknown user", fmt.Sprintf("user %s does not exist", l.Become), fmt.Sprintf("create it on %s: sudo useradd --system %s", host, l.Become)},
		{"must have a tty", "sudo wants a terminal of " + user, l.rule(fmt.Sprintf("Defaults:%s !requiretty", inSudoers(user)))},
		{"is not allowed to", as("sudo does not let %s run /bin/sh as %s"), l.allow()},
		{"may not run sudo", as("sudo does not let %s run /bin/sh as %s"), l.allow()},
		{"syntax error", "sudo cannot read its rules", fmt.Sprintf("see on %s: sudo visudo -c; kis needs the line %s", host, l.line())},
		{"parse error", "sudo cannot read its rules", fmt.Sprintf("see on %s: sudo visudo -c; kis needs the line %s", host, l.line())},
		{"a password is required", as("sudo does not let %s run /bin/sh as %s without a password"), l.allow()},
		{"no new privileges", "sudo gets no rights there", "the login runs with no_new_privs: see NoNewPrivileges of the service that runs sshd"},
		{"effective uid is not 0", "sudo gets no rights there", "it is not setuid root, or its file system is mounted nosuid: see findmnt -T /usr/bin/sudo"},
		{"sudo': No such file", "sudo is missing", missing},
		{"expired", "sudo finds an account expired", fmt.Sprintf("see on %s: sudo chage -l %s; sudo chage -l %s", host, safetext.Word(user), l.Become)},
		{"sudo': Permission denied", as("sudo cannot be run by %s, to become %s"), fmt.Sprintf("inspect it on %s: ls -l /usr/bin/sudo", host)},
		{"/bin/sh: ", "sudo lets /bin/sh run, but nothing that it starts", l.rule("Defaults!/bin/sh !noexec")},
		{"sudo-rs: I'm sorry", as("sudo does not let %s run /bin/sh as %s"), l.allow()},
		{"sudo-rs: ", as("sudo did not let %s run /bin/sh as %s"), l.allow()},
		{"sudo: ", as("sudo did not let %s run /bin/sh as %s"), l.allow()},
	}
}

// explain finds the reason in the host's output. The reasons are in order of significance. A
// warning that sudo prints although it succeeds (a host name that does not resolve) is none.
func (l Login) explain(lines []string) (reason, bool) {
	all := l.reasons()
	if l.Become != "" {
		all = append(l.sudoReasons(), all...)
	}
	for _, r := range all {
		for _, line := range lines {
			if strings.Contains(line, r.said) && !strings.Contains(line, "unable to resolve host") {
				return r, true
			}
		}
	}
	return reason{}, false
}
