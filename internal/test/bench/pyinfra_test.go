//go:build bench

package bench

import (
	"fmt"
	"os/exec"
	"strings"
)

func pyinfra() rival {
	return rival{name: "pyinfra", program: "pyinfra", command: deploy}
}

func deploy(d desk) *exec.Cmd {
	const head = "from pyinfra.operations import files, server\n\n"
	inventory := d.put("inventory.py", "hosts = "+quoted(d.names())+"\n")
	text := d.script(head, "server.shell(commands=[%s])", "files.put(src=%s, dest=%s)")
	return d.run(nil, "-y", "--data", "ssh_config_file="+d.Client.Config, "--data", "ssh_known_hosts_file="+d.knownByAddress(),
		inventory, d.put("deploy.py", text))
}

// knownByAddress is a known_hosts(5) with the hosts' addresses, for programs that do not know
// HostKeyAlias.
func (d desk) knownByAddress() string {
	var b strings.Builder
	for _, h := range d.Hosts {
		_, key, _ := strings.Cut(h.KnownHostsLine(d.t), " ")
		fmt.Fprintf(&b, "[127.0.0.1]:%d %s\n", h.Port, key)
	}
	return d.put("known_hosts", b.String())
}
