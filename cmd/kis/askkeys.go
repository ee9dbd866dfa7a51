package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/keep-it-simple/kis/sshx"
)

// askKeys shows the person at the terminal the host keys that nobody knows, all of them at once, and asks whether they are right. It is nil
// when there is nobody, and with --yes: a yes to every question is no look at a fingerprint.
func (a *app) askKeys() func(context.Context, []*sshx.HostKeyError) bool {
	prompt := a.prompt()
	if prompt == nil || a.yes {
		return nil
	}
	return func(ctx context.Context, keys []*sshx.HostKeyError) bool {
		question := keyQuestion(keys)
		for {
			answer, err := prompt(ctx, question, true)
			if err != nil {
				return false
			}
			switch strings.ToLower(strings.TrimSpace(answer)) {
			case "yes":
				return true
			case "no", "n", "": // Enter alone is no yes
				return false
			}
			question = "please type the whole word, yes or no:" // as for ssh, a y is no yes
		}
	}
}

// keyQuestion lists hosts with the type and the SHA256 fingerprint of their key, as ssh-keygen -l prints it there.
func keyQuestion(keys []*sshx.HostKeyError) string {
	var b strings.Builder
	what, these := "the key of this host is", "this key"
	if len(keys) > 1 {
		what, these = "the keys of these hosts are", fmt.Sprintf("these %d keys", len(keys))
	}
	fmt.Fprintf(&b, "%s not known:\n", what)
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, k := range keys {
		_, _ = fmt.Fprintf(w, "  %s\t%s\t%s\n", k.Host, k.KeyType, k.Fingerprint)
	}
	_ = w.Flush()
	fmt.Fprintf(&b, "compare with what `ssh-keygen -lf /etc/ssh/ssh_host_…_key.pub` prints on the host's own console\n")
	fmt.Fprintf(&b, "write %s to %s and go on? [yes/no]", these, strings.Join(keyFiles(keys), ", "))
	return b.String()
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
