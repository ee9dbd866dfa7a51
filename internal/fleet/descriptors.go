package fleet

import (
	"fmt"

	"github.com/keep-it-simple/kis/sshx"
)

// What kis has open beside the hosts' connections: its streams, its log, the archive and what Go needs; and for each of the handshakes
// and resolutions that run at once an agent's socket, a second address that is tried, a query for a name, a pipe.
const spareDescriptors = 16 + 3*resolveLimit

// descriptors counts what the connections to hosts take, all of which are open at once.
func descriptors(targets []sshx.Target) int {
	n, jumps := 0, map[string]bool{}
	for _, t := range targets {
		first := t
		if len(t.Jump) > 0 { // the host's connection is a channel of its jump host's, of which there is one
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

// tooFewFiles says that this process may not open enough files. The remedy is a command.
type tooFewFiles struct {
	may  uint64
	need int
}

func (e *tooFewFiles) Error() string {
	return fmt.Sprintf("kis may open only %d files on this machine, and this takes %d", e.may, e.need)
}

// Hint is what to type.
func (e *tooFewFiles) Hint() string {
	return fmt.Sprintf("ulimit -n %d    # or fewer hosts at a time: --hosts", e.need)
}

// files is how many files this takes. Recipes are files too, and read for as many hosts as prepare at once.
func (f *Fleet) files(connections int) int {
	return connections + min(connections, f.Limit()) + spareDescriptors
}

// enough compares what connections take with what may be open.
func (f *Fleet) enough(connections int, may uint64) error {
	if need := f.files(connections); uint64(need) > may {
		return &tooFewFiles{may: may, need: need}
	}
	return nil
}
