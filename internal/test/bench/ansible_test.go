//go:build bench

package bench

import (
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// ansible is Ansible tuned as its manual advises: pipelining, one fork for each host, ControlMaster.
func ansible() rival {
	return rival{name: "ansible", program: "ansible-playbook", command: playbook, after: endMasters}
}

func playbook(d desk) *exec.Cmd {
	var tasks []map[string]any
	for _, s := range d.steps {
		if s.run != "" {
			tasks = append(tasks, map[string]any{"ansible.builtin.shell": s.run})
		} else {
			tasks = append(tasks, map[string]any{"ansible.builtin.copy": map[string]string{"src": s.from, "dest": s.to}})
		}
	}
	play := []map[string]any{{"hosts": "all", "gather_facts": false, "tasks": tasks}}
	hosts := d.put("hosts", strings.Join(d.names(), "\n")+"\n")
	environ := []string{
		"ANSIBLE_SSH_ARGS=-F " + d.Client.Config + " -o ControlMaster=auto -o ControlPersist=60s",
		"ANSIBLE_SSH_CONTROL_PATH_DIR=" + filepath.Join(d.dir, "cp"),
		"ANSIBLE_FORKS=" + strconv.Itoa(len(d.Hosts)),
		"ANSIBLE_PIPELINING=1",
		"ANSIBLE_PYTHON_INTERPRETER=/usr/bin/python3",
	}
	return d.run(environ, "-i", hosts, d.put("playbook.yml", quoted(play)))
}

// endMasters ends the connections that stay for a minute, so that the next run has to connect, as
// everybody else's has.
func endMasters(s site, dir string) {
	sockets, _ := filepath.Glob(filepath.Join(dir, "cp", "*"))
	for _, socket := range sockets {
		_ = exec.CommandContext(s.t.Context(), "ssh", "-F", "none", "-o", "ControlPath="+socket, "-O", "exit", "any").Run()
	}
}
