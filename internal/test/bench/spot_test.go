//go:build bench

package bench

import (
	"os/exec"
	"strconv"
)

// spot is umputun/spot. It reads no ssh_config, and accepts any host key.
func spot() rival {
	return rival{name: "spot", program: "spot", command: spotfile}
}

func spotfile(d desk) *exec.Cmd {
	var hosts, commands []map[string]any
	for _, h := range d.Hosts {
		hosts = append(hosts, map[string]any{"host": "127.0.0.1", "port": h.Port, "name": h.Name, "user": h.User})
	}
	for i, s := range d.steps {
		one := map[string]any{"name": "step " + strconv.Itoa(i)}
		if s.run != "" {
			one["script"] = s.run
		} else {
			one["copy"] = map[string]string{"src": s.from, "dst": s.to}
		}
		commands = append(commands, one)
	}
	file := d.put("spot.yml", quoted(map[string]any{
		"user": d.Hosts[0].User, "ssh_key": d.Client.Key,
		"targets": map[string]any{"bench": map[string]any{"hosts": hosts}},
		"tasks":   []map[string]any{{"name": "job", "commands": commands}},
	}))
	return d.run(nil, "-p", file, "-n", "job", "-t", "bench", "-c", strconv.Itoa(len(d.Hosts)))
}
