package fleet

import (
	"fmt"

	"github.com/keep-it-simple/kis/sshx"
)

// spareDescriptors is what kis has open beside the hosts' connections: its streams, its log, the
// archive and what Go needs; and for each concurrent handshake and resolution an agent's socket, a
// second address, a DNS query, a pipe.
const spareDescriptors = 16 + 3*resolveLimit

// descriptors counts what the connections to hosts take; all are open at the same time.
func descriptors(targets []sshx.Target) int {
	n, jumps := 0, map[string]bool{}
	for _, t := range targets {
		first := t
		if len(t.Jump) > 0 { // hosts behind one jump host share its connection
			first = t.Jump[0]
			if jumps[first.Name] {
				continue
			}
			jumps[first.Name] = true
		}
		n++
		if len(first.ProxyCommand) > 0 {
			n += 3 // three pipes and a process, instead of a socket
		}
	}
	return n
}

// tooFewFiles is the error that this process may not open enough files.
type tooFewFiles struct {
	may  uint64
	need int
}

func (e *tooFewFiles) Error() string {
	return fmt.Sprintf("this machine allows kis %d open files, and this takes %d", e.may, e.need)
}

// Hint is a command that helps.
func (e *tooFewFiles) Hint() string {
	return fmt.Sprintf("ulimit -n %d    # or fewer hosts at a time: --hosts", e.need)
}

// files is how many open files this takes, with the recipes of the hosts that prepare concurrently.
func (f *Fleet) files(connections int) int {
	return connections + min(connections, f.Limit()) + spareDescriptors
}

// enough returns an error if the connections take more than the limit.
func (f *Fleet) enough(connections int, may uint64) error {
	if need := f.files(connections); uint64(need) > may {
		return &tooFewFiles{may: may, need: need}
	}
	return nil
}
