package compat

import (
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
)

// shell makes path the login shell.
func shell(path string) func(*testenv.Env, *hosttest.Host) {
	return func(w *testenv.Env, h *hosttest.Host) { account(w.T, h, "/etc/passwd", 7, path) }
}

// script is a login shell with a start-up script.
func script(path, file, text string) func(*testenv.Env, *hosttest.Host) {
	return func(w *testenv.Env, h *hosttest.Host) {
		shell(path)(w, h)
		start(w.T, h, file, text)
	}
}

// ash is busybox's shell, which goes by the name it is called with.
func ash(w *testenv.Env, h *hosttest.Host) {
	h.Shell(w.T, "mount -t tmpfs -o mode=755 none /srv; ln -s $(command -v busybox) /srv/ash")
	shell("/srv/ash")(w, h)
}

// loginShells are hosts whose deploying user has another shell than bash.
func loginShells() []odd {
	prints := []string{"HOST: the login shell prints text without a terminal: welcome"}
	exits := []string{"HOST: connect: the command was not run, although the login succeeded", "start-up script of kistest on HOST", "try: ssh HOST true"}
	return []odd{
		{name: "bash", make: shell("/bin/bash")},
		{name: "dash", make: shell("/bin/dash")},
		{name: "zsh", make: shell("/usr/bin/zsh")},
		{name: "fish", make: shell("/usr/bin/fish")},
		{name: "tcsh", make: shell("/usr/bin/tcsh")},
		{name: "busybox ash", make: ash},
		{name: "rbash", make: shell("/usr/bin/rbash"), refused: true, says: []string{"HOST: connect: the login shell is a restricted one", "sudo usermod -s /bin/sh kistest"}},
		{name: "N14: nologin", make: shell("/usr/sbin/nologin"), refused: true, says: []string{"HOST: connect: the account has no shell", "sudo usermod -s /bin/sh kistest"}},
		{name: "N14: false", make: shell("/bin/false"), refused: true, says: exits},
		{name: "cat", make: shell("/bin/cat"), refused: true, says: []string{"HOST: connect: "}},
		{name: "no such shell", make: shell("/bin/nosh"), refused: true, says: []string{"HOST: connect: authentication"}},
		{name: "zsh that prints", make: script("/usr/bin/zsh", ".zshenv", "echo welcome"), says: prints},
		{name: "zsh that exits", make: script("/usr/bin/zsh", ".zshenv", "exit 0"), refused: true, says: append(exits, "zsh ~/.zshenv")},
		{name: "fish that prints", make: script("/usr/bin/fish", ".config/fish/config.fish", "echo welcome"), says: prints},
		{name: "fish that becomes true", make: script("/usr/bin/fish", ".config/fish/config.fish", "exec true"), refused: true, says: append(exits, "fish ~/.config/fish/config.fish")},
		{name: "tcsh that prints", make: script("/usr/bin/tcsh", ".cshrc", "echo welcome"), says: prints},
		{name: "tcsh that leaves its script", make: script("/usr/bin/tcsh", ".cshrc", "exit 0")},
		{name: "tcsh that becomes true", make: script("/usr/bin/tcsh", ".cshrc", "exec true"), refused: true, says: append(exits, "tcsh ~/.cshrc")},
		{name: "tcsh that reads", make: script("/usr/bin/tcsh", ".cshrc", "set x = $<"), pushed: []string{"uploading over the agent"}},
	}
}

func bashrc(text string) func(*testenv.Env, *hosttest.Host) {
	return func(w *testenv.Env, h *hosttest.Host) { start(w.T, h, ".bashrc", text) }
}

// turkish is a login in a language whose i has two capitals.
func turkish(w *testenv.Env, h *hosttest.Host) {
	require.Contains(w.T, h.Shell(w.T, "locale -a"), "tr_TR.utf8", "run: make setup")
	start(w.T, h, ".bashrc", "export LANG=tr_TR.UTF-8 LC_ALL=tr_TR.UTF-8 LANGUAGE=tr")
}

// startUpScripts are hosts with something in the script that bash reads for every command that comes over SSH.
func startUpScripts() []odd {
	notice := "HOST: the login shell prints text without a terminal: "
	over := []string{"SFTP failed, uploading over the agent"}
	exits := []string{"HOST: connect: the command was not run, although the login succeeded", "start-up script of kistest on HOST? bash reads ~/.bashrc", "try: ssh HOST true"}
	waits := []string{"HOST: connect: no answer from a shell within 20 s: does a login script wait for input?", "~/.bashrc"}
	ours := []string{"first line does nothing", "bootstrap", "PATH="}
	return []odd{
		{name: "prints", make: bashrc("echo welcome; echo trouble >&2; mesg n; stty -a"), says: []string{notice + "welcome"}, pushed: over},
		{name: "prints, but for commands", make: bashrc("case $- in *i*) ;; *) return ;; esac; echo welcome"), silent: []string{"no SFTP", "welcome"}},
		{name: "prints on stderr only", make: bashrc("echo trouble >&2"), silent: []string{"no SFTP"}},
		{name: "prints bytes", make: bashrc(`printf '\377\000\033[2J\033]0;x\007\r\n\200\n'`), says: []string{notice}, pushed: over},
		{name: "prints no line end", make: bashrc("printf welcome"), says: []string{notice + "welcome"}, pushed: over},
		{name: "prints 1 MiB", make: bashrc("head -c 1048576 /dev/zero | tr '\\0' x"), says: []string{notice + "xxx"}, pushed: over},
		{name: "prints 1 MiB of lines", make: bashrc("yes welcome | head -c 1048576"), says: []string{notice + "welcome"}, pushed: over},
		{name: "prints what an agent says", make: bashrc(`echo 'KIS1 0123 {"ev":"hello","protocol":1}'`), says: []string{notice}, pushed: over},
		{name: "prints on stderr, 1 MiB", make: bashrc("yes trouble | head -c 1048576 >&2")},
		{name: "reads a line", make: bashrc("read -r x"), pushed: over, silent: ours},
		{name: "reads a line and prints it", make: bashrc(`read -r x; echo "$x"; echo "<$x>"`), says: []string{notice + "(what kis sent to the shell"}, pushed: over, silent: ours},
		{name: "reads some characters", make: bashrc(`read -r -n 30 x; echo "$x"`), pushed: over, silent: ours},
		{name: "reads many lines", make: bashrc(`while read -r x && [ "$x" != kis_whole=yes ]; do :; done`), refused: true, says: []string{"HOST: connect: a login script has read a part", "~/.bashrc"}, silent: ours},
		{name: "reads all", make: bashrc("cat >/dev/null"), refused: true, says: waits, silent: ours},
		{name: "reads all and prints it", make: bashrc("cat"), refused: true, says: waits, silent: ours},
		{name: "waits for ever", make: bashrc("tail -f /dev/null"), refused: true, says: waits},
		{name: "exits well", make: bashrc("exit 0"), refused: true, says: exits},
		{name: "exits badly", make: bashrc("exit 1"), refused: true, says: exits},
		{name: "prints and exits", make: bashrc("echo not today; exit 0"), refused: true, says: append(exits, "not today")},
		{name: "becomes a shell of its own", make: bashrc("exec zsh"), refused: true, says: exits},
		{name: "becomes true", make: bashrc("exec true"), refused: true, says: exits},
		{name: "becomes another shell", make: bashrc("[ -n \"$inner\" ] || { export inner=1; exec zsh -c \"$BASH_EXECUTION_STRING\"; }")},
		{name: "is strict", make: bashrc("set -euo pipefail; set -o noclobber; shopt -s failglob")},
		{name: "goes elsewhere", make: bashrc("mkdir -p ~/gone; cd ~/gone; rmdir ~/gone")},
		{name: "leaves something behind", make: bashrc("tail -f /dev/null & disown")},
		{name: "has hostile variables", make: bashrc("export PYTHONPATH=/tmp PYTHONHOME=/nowhere PYTHONSTARTUP=/nowhere PYTHONINSPECT=1 PYTHONOPTIMIZE=2 IFS=/ ENV=/nowhere BASH_ENV=/nowhere SHELLOPTS CDPATH=/ GLOBIGNORE='*' POSIXLY_CORRECT=1 TAR_OPTIONS=--nonsense GZIP=--nonsense VIRTUAL_ENV=/nowhere PIP_TARGET= TZ=nowhere")},
		{name: "has a hostile PATH", make: bashrc("mkdir -p ~/bin; for c in python3 tar gzip sh env rm; do printf '#!/bin/sh\\nexit 0\\n' >~/bin/$c; chmod +x ~/bin/$c; done; export PATH=~/bin:.:$PATH")},
		{name: "has no PATH", make: bashrc("unset PATH")},
		{name: "preloads what is not there", make: bashrc("export LD_PRELOAD=/nowhere/lib.so LD_LIBRARY_PATH=/nowhere")},
		{name: "has TMPDIR nowhere", make: bashrc("export TMPDIR='/nowhere/$(touch x) \"y' TMP=/nowhere TEMP=/nowhere")},
		{name: "H18: may start nothing", make: bashrc("ulimit -u 1"), refused: true, says: []string{"HOST: connect: the command was not run", "fork"}},
		{name: "umask 000", make: bashrc("umask 000")},
		{name: "umask 022", make: bashrc("umask 022")},
		{name: "umask 027", make: bashrc("umask 027")},
		{name: "H8: umask 077", make: bashrc("umask 077")},
		{name: "umask 777", make: bashrc("umask 777")},
		{name: "H14: speaks Turkish", make: turkish},
		{name: "speaks C", make: bashrc("export LANG=C LC_ALL=C")},
		{name: "speaks POSIX", make: bashrc("export LANG=POSIX LC_ALL=POSIX PYTHONUTF8=0 PYTHONIOENCODING=ascii")},
		{name: "speaks what is not there", make: bashrc("export LANG=xx_YY.KOI8-R LC_ALL=xx_YY.KOI8-R")},
		{name: "has few open files", make: bashrc("ulimit -n 32")},
		{name: "ignores signals", make: bashrc("trap '' HUP INT TERM PIPE CHLD")},
	}
}
