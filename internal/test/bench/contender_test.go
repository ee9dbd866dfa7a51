//go:build bench

package bench

import (
	"fmt"
	"os/exec"
	"time"

	"github.com/stretchr/testify/require"
)

// contender does jobs in its own way.
type contender struct {
	name     string
	packages string // what its packages are called on the hosts, before the hyphen
	link     string // what its link is called there
	command  func(s site, j job) *exec.Cmd
	after    func(s site) // ends what a command leaves behind; nil if it leaves nothing
}

// title is what the contender is called in a table.
func (c contender) title() string {
	if c.name == "hand" {
		return "by hand"
	}
	return c.name
}

// other is a contender that is not kis.
func other(name string, command func(s site, j job) *exec.Cmd) contender {
	return contender{name: name, packages: name, link: name, command: command}
}

func kis() contender {
	return contender{name: "kis", packages: "projecta", link: "staging", command: func(s site, j job) *exec.Cmd {
		return s.Command(s.t.Context(), j.kis...)
	}}
}

// sample is what one job has cost.
type sample struct {
	seconds float64
	cpu     float64 // seconds of CPU, per host
}

// do does a job once, and examines the hosts.
func (c contender) do(s site, j job) (sample, error) {
	s.t.Helper()
	cmd := c.command(s, j)
	before := s.cpu()
	begin := time.Now()
	out, err := cmd.CombinedOutput()
	took := time.Since(begin)
	if c.after != nil {
		c.after(s)
	}
	if err != nil {
		return sample{}, fmt.Errorf("%w\n%s", err, out[max(0, len(out)-4000):])
	}
	return sample{took.Seconds(), (s.cpu() - before) / float64(len(s.Hosts))}, j.check(s, c)
}

// must is do for what has to work.
func (c contender) must(s site, j job) sample {
	s.t.Helper()
	result, err := c.do(s, j)
	require.NoError(s.t, err, c.name)
	return result
}

// building puts the build of the source distribution before a command line.
func (s site) building(j job, argv ...string) *exec.Cmd {
	if j.build {
		const text = `dist=$1; shift; /usr/bin/python3 setup.py -q sdist --formats=gztar --dist-dir "$dist" && exec "$@"`
		argv = append([]string{"/bin/sh", "-c", text, "build", s.dist()}, argv...)
	}
	cmd := exec.CommandContext(s.t.Context(), argv[0], argv[1:]...)
	cmd.Dir = s.Dir
	return cmd
}
