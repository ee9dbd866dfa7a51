package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/keep-it-simple/kis/sshx"
)

// askKeys shows the person at the terminal the host keys that nobody knows, all of them at once, and asks whether they are right. It is nil
// when there is nobody, and with --yes: a yes to every question is no look at a fingerprint.
func (a *app) askKeys() func(context.Context, []*sshx.HostKeyError) bool {
	if !a.mayAsk() || a.yes {
		return nil
	}
	return func(ctx context.Context, keys []*sshx.HostKeyError) bool {
		question := keyQuestion(keys)
		for {
			answer, err := a.putQuestion(ctx, question, true)
			if err != nil {
				return false
			}
			switch strings.ToLower(strings.TrimSpace(answer)) {
			case "yes":
				return true
			case "no", "n", "": // Enter alone is no yes
				return false
			}
			question = []string{"please type the whole word, yes or no:"} // as for ssh, a y is no yes
		}
	}
}

// keyQuestion lists, a line each, hosts with the type and the SHA256 fingerprint of their key, as ssh-keygen -l prints it there.
func keyQuestion(keys []*sshx.HostKeyError) []string {
	what, these := "the key of this host is", "this key"
	if len(keys) > 1 {
		what, these = "the keys of these hosts are", fmt.Sprintf("these %d keys", len(keys))
	}
	var rows [][]string
	for _, k := range keys {
		rows = append(rows, []string{"  " + k.Host, k.KeyType, k.Fingerprint})
	}
	question := append([]string{what + " not known:"}, aligned(rows)...)
	return append(question,
		"compare with what `ssh-keygen -lf /etc/ssh/ssh_host_…_key.pub` prints on the host's own console",
		fmt.Sprintf("write %s to %s and go on? [yes/no]", these, strings.Join(keyFiles(keys), ", ")))
}

// keyFiles are the files that the keys would be written to, each once.
func keyFiles(keys []*sshx.HostKeyError) []string {
	var files []string
	seen := map[string]bool{}
	for _, k := range keys {
		if file := relativeToHome(k.File()); !seen[file] {
			seen[file] = true
			files = append(files, file)
		}
	}
	return files
}
