//go:build bench

package bench

import (
	"os/exec"
	"strings"
)

// floor runs ssh(1) on all hosts at the same time. Its arguments are the ssh_config, the file that
// is every command's input, the command and the hosts.
const floor = `config=$1 input=$2 command=$3
shift 3
for host in "$@"; do
	ssh -F "$config" "$host" "$command" <"$input" &
	all="$all $!"
done
status=0
for one in $all; do wait "$one" || status=1; done
exit $status
`

// byHand does all steps in one session with each host.
func byHand() contender {
	return other("hand", func(s site, j job) *exec.Cmd {
		input, lines := "/dev/null", []string{"set -e"}
		for _, one := range j.steps(s, "hand") {
			if one.run != "" {
				lines = append(lines, one.run)
				continue
			}
			input, lines = one.from, append(lines, "cat >"+one.to)
		}
		argv := []string{"/bin/sh", "-c", floor, "floor", s.Client.Config, input, strings.Join(lines, "\n")}
		for _, h := range s.Hosts {
			argv = append(argv, h.Name)
		}
		return s.building(j, argv...)
	})
}
