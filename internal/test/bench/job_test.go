//go:build bench

package bench

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
)

// step is what everybody but kis does on all hosts at the same time before the next step: shell
// text to run, or a file to send.
type step struct {
	run      string
	from, to string
}

// job is one job, in the terms of kis and in steps that everybody else takes. Everybody else has
// directories and a link of its own on the hosts, which bear its name.
type job struct {
	kis   []string
	build bool // the source distribution is built before the steps
	steps func(s site, name string) []step
	links string // the version that is linked afterwards, or ""
	whole bool   // the package is there afterwards, with its environment
}

// push builds the project and brings it into service.
func push(version string) job {
	return job{kis: []string{"push", "staging"}, build: true, links: version, whole: true, steps: func(s site, name string) []step {
		dir := hosttest.Repository + "/" + name + "-" + version
		return []step{
			{run: "mkdir -p " + dir},
			{from: s.archive(version), to: dir + "/a.tar.gz"},
			{run: install(s, dir, version)},
			{run: linkText(name, version)},
		}
	}}
}

// install is the shell text that installs a package, unless a push of the same version has.
func install(s site, dir, version string) string {
	pip := ".venv/bin/pip install -q --disable-pip-version-check "
	text := fmt.Sprintf("cd %s && { test -e .venv/complete || { tar -xzf a.tar.gz && python3 -m venv .venv && ", dir)
	if s.requirements() {
		text += fmt.Sprintf("%s -r projecta-%s/requirements.txt && ", pip, version)
	}
	return text + fmt.Sprintf("%s ./projecta-%s && touch .venv/complete; }; }", pip, version)
}

// link links a package that is there.
func link(version string) job {
	return job{kis: []string{"link", "staging", "projecta-" + version}, links: version, steps: linkSteps(version)}
}

// rollback links the package before, which everybody but kis has to be told.
func rollback(version string) job {
	return job{kis: []string{"rollback", "staging"}, links: version, steps: linkSteps(version)}
}

func linkSteps(version string) func(site, string) []step {
	return func(_ site, name string) []step { return []step{{run: linkText(name, version)}} }
}

func linkText(name, version string) string {
	return fmt.Sprintf("ln -sfn %s-%s %s/%s", name, version, hosttest.Repository, name)
}

// send sends a file. kis has no such job of its own, see uploadOfKis.
func send(file string) job {
	return job{steps: func(_ site, name string) []step {
		return []step{{from: file, to: hosttest.Repository + "/" + name + ".tar.gz"}}
	}}
}

// reach does nothing on the hosts.
func reach() job {
	return job{steps: func(site, string) []step { return []step{{run: "true"}} }}
}

// dist is the directory that source distributions are built in by everybody but kis.
func (s site) dist() string { return filepath.Join(s.Home, "dist") }

func (s site) archive(version string) string {
	return filepath.Join(s.dist(), "projecta-"+version+".tar.gz")
}

// check examines the hosts: a contender that has not done the job is not counted.
func (j job) check(s site, c contender) error {
	for _, h := range s.Hosts {
		if j.links == "" {
			return nil
		}
		name := c.packages + "-" + j.links
		target, err := os.Readlink(filepath.Join(h.Repo, c.link))
		if err != nil {
			return err
		}
		if target != name {
			return fmt.Errorf("%s is linked to %s, not to %s", h.Name, target, name)
		}
		if _, err := os.Stat(filepath.Join(h.Repo, name, ".venv/bin/projecta")); j.whole && err != nil {
			return err
		}
	}
	return nil
}
