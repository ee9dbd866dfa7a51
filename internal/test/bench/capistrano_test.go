//go:build bench

package bench

import (
	"fmt"
	"os/exec"
)

func capistrano() rival {
	return rival{name: "capistrano", program: "cap", command: capfile}
}

const capistranoHead = `require 'capistrano/setup'
require 'capistrano/deploy'
require 'capistrano/scm/git'
install_plugin Capistrano::SCM::Git

task :job do
`

func capfile(d desk) *exec.Cmd {
	d.put("config/deploy.rb", "set :application, 'projecta'\n")
	d.put("config/deploy/bench.rb", fmt.Sprintf(`%s.each { |name| server name, roles: %%w[app] }
set :ssh_options, config: [%s], verify_host_key: :always
`, quoted(d.names()), quoted(d.Client.Config)))
	text := d.script(capistranoHead,
		"  on(roles(:all), in: :parallel) { execute %s }", "  on(roles(:all), in: :parallel) { upload! %s, %s }")
	d.put("Capfile", text+"end\n")
	return d.run(nil, "bench", "job")
}
