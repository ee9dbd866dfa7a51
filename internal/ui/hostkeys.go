package ui

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/keep-it-simple/kis/sshx"
)

// AskKeys returns what shows the user at the terminal all unknown host keys at once, and asks
// whether they are right. It is nil when there is no terminal, and with --yes: a yes to every
// question is no comparison of a fingerprint.
func (u *UI) AskKeys() func(context.Context, []*sshx.HostKeyError) bool {
	if !u.canAsk() || u.AssumeYes {
		return nil
	}
	return func(ctx context.Context, keys []*sshx.HostKeyError) bool {
		question := keyQuestion(keys)
		for {
			answer, err := u.ask(ctx, question, true)
			if err != nil {
				return false
			}
			switch strings.ToLower(strings.TrimSpace(answer)) {
			case "yes":
				return true
			case "no", "n", "": // Enter alone is no yes
				return false
			}
			question = []string{"please type the whole word, yes or no:"} // as ssh asks
		}
	}
}

// keyQuestion lists hosts, a line each, with the type and the SHA256 fingerprint of their key, as
// ssh-keygen -l prints it on the host.
func keyQuestion(keys []*sshx.HostKeyError) []string {
	what, these := "the key of this host is", "this key"
	if len(keys) > 1 {
		what, these = "the keys of these hosts are", fmt.Sprintf("these %d keys", len(keys))
	}
	var rows [][]string
	var files []string // that the keys would be written to
	for _, k := range keys {
		rows = append(rows, []string{"  " + k.Host, k.KeyType, k.Fingerprint})
		if file := HomePath(k.File()); !slices.Contains(files, file) {
			files = append(files, file)
		}
	}
	question := append([]string{what + " not known:"}, aligned(rows)...)
	return append(question,
		"compare with what `ssh-keygen -lf /etc/ssh/ssh_host_…_key.pub` prints on the host's own console",
		fmt.Sprintf("write %s to %s and continue? [yes/no]", these, strings.Join(files, ", ")))
}
