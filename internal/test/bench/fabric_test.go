//go:build bench

package bench

import (
	"fmt"
	"os/exec"
)

// fabric is Fabric with a ThreadingGroup. It accepts any host key.
func fabric() rival {
	return rival{name: "fabric", program: "fab", command: fabfile}
}

func fabfile(d desk) *exec.Cmd {
	head := fmt.Sprintf(`from fabric import ThreadingGroup, task


@task
def job(c):
    hosts = ThreadingGroup(*%s, config=c.config)
`, quoted(d.names()))
	d.put("fabfile.py", d.script(head, "    hosts.run(%s, hide=True)", "    hosts.put(%s, %s)"))
	return d.run(nil, "--ssh-config", d.Client.Config, "job")
}
