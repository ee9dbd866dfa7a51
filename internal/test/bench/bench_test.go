//go:build bench

// Package bench measures jobs of kis beside the same job written by hand with ssh(1), in one run: only ratios mean
// something on another machine. `make bench` runs it.
package bench

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m, false)) }

// rounds is how often each job is done.
const rounds = 5

// site is fresh hosts for one job, and a project.
type site struct {
	*testenv.Env
	t *testing.T
}

func newSite(t *testing.T, n int, files map[string]string, more string) site {
	t.Helper()
	w := testenv.New(t, n, hosttest.Options{Env: testenv.Environment(), Bare: true})
	require.NoError(t, os.RemoveAll(w.Dir))
	require.NoError(t, os.Mkdir(w.Dir, 0o755))
	for name, text := range files {
		w.Write(name, text)
	}
	w.Inventory(testenv.InventoryText(w.Hosts, more))
	return site{w, t}
}

// application is a project without requirements, as an old setup.py writes it.
func application(version string) map[string]string {
	return map[string]string{
		"setup.py":              "from setuptools import setup\nsetup(name='projecta', version='" + version + "', packages=['projecta'], entry_points={'console_scripts': ['projecta = projecta:main']})\n",
		"projecta/__init__.py":  "def main():\n    print('projecta')\n",
		"projecta/__main__.py":  "from projecta import main\nmain()\n",
		"projecta/templates.py": strings.Repeat("x = 1\n", 2000),
	}
}

// kis is how long a command takes.
func (s site) kis(args ...string) time.Duration {
	s.t.Helper()
	begin := time.Now()
	out, err := s.Command(s.t.Context(), args...).CombinedOutput()
	took := time.Since(begin)
	require.NoError(s.t, err, "%s", out)
	return took
}

// everywhere is how long a command takes by ssh(1) on all hosts at the same time, each with the file as its input.
func (s site) everywhere(script, input string) time.Duration {
	s.t.Helper()
	begin := time.Now()
	var all sync.WaitGroup
	for _, h := range s.Hosts {
		all.Go(func() {
			cmd := exec.CommandContext(s.t.Context(), "ssh", "-F", s.Client.Config, h.Name, script)
			if input != "" {
				file, err := os.Open(input)
				if err != nil {
					s.t.Error(err)
					return
				}
				defer file.Close()
				cmd.Stdin = file
			}
			if out, err := cmd.CombinedOutput(); err != nil {
				s.t.Errorf("%v: %s", err, out)
			}
		})
	}
	all.Wait()
	require.False(s.t, s.t.Failed())
	return time.Since(begin)
}

// byHand is a push written by hand: build the archive, send it, make an environment, install, link.
func (s site) byHand(version, requirements string) time.Duration {
	s.t.Helper()
	begin := time.Now()
	dist := s.t.TempDir()
	build := exec.CommandContext(s.t.Context(), "python3", "setup.py", "-q", "sdist", "--formats=gztar", "--dist-dir", dist)
	build.Dir = s.Dir
	out, err := build.CombinedOutput()
	require.NoError(s.t, err, "%s", out)
	archives, _ := filepath.Glob(filepath.Join(dist, "*.tar.gz"))
	script := fmt.Sprintf("set -e; cd /var/webcode; mkdir hand-%[1]s; cd hand-%[1]s; cat >a.tar.gz; tar -xzf a.tar.gz; python3 -m venv .venv; "+
		"%[2]s .venv/bin/pip install -q --disable-pip-version-check ./a.tar.gz; cd ..; ln -sfn hand-%[1]s hand", version, requirements)
	script = strings.ReplaceAll(script, "./a.tar.gz", "./projecta-"+version)
	s.everywhere(script, archives[0])
	return time.Since(begin)
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}

// report prints the medians of a job and their ratio.
func report(t *testing.T, job string, kis, hand []time.Duration) {
	t.Helper()
	t.Logf("%-46s kis %6.2f s   by hand %6.2f s   ratio %.2f", job, median(kis).Seconds(), median(hand).Seconds(), median(kis).Seconds()/median(hand).Seconds())
}

// TestPush: to fresh hosts, a second version, and again what is there.
func TestPush(t *testing.T) {
	for _, n := range []int{1, 4, 16} {
		var fresh, second, again, freshHand, secondHand, reached []time.Duration
		for range rounds {
			s := newSite(t, n, application("1.0"), "install: {mode: regular}\n")
			fresh = append(fresh, s.kis("push", "staging"))
			freshHand = append(freshHand, s.byHand("1.0", ""))
			for name, text := range application("1.1") {
				s.Write(name, text)
			}
			second = append(second, s.kis("push", "staging"))
			secondHand = append(secondHand, s.byHand("1.1", ""))
			again = append(again, s.kis("push", "staging"))
			reached = append(reached, s.everywhere("true", ""))
			for _, h := range s.Hosts {
				h.Kill()
			}
		}
		report(t, fmt.Sprintf("push to %d fresh hosts", n), fresh, freshHand)
		report(t, fmt.Sprintf("second version, %d hosts", n), second, secondHand)
		report(t, fmt.Sprintf("push of what is there, %d hosts (ssh true)", n), again, reached)
	}
}

// TestLink: another package on hosts that have both, and back.
func TestLink(t *testing.T) {
	for _, n := range []int{1, 16} {
		s := newSite(t, n, application("1.0"), "install: {mode: regular}\n")
		s.kis("push", "staging")
		for name, text := range application("1.1") {
			s.Write(name, text)
		}
		s.kis("push", "staging")
		var link, back, hand []time.Duration
		for range rounds {
			back = append(back, s.kis("rollback", "staging"))
			link = append(link, s.kis("link", "staging", "projecta-1.1"))
			hand = append(hand, s.everywhere("cd /var/webcode && ln -sfn projecta-1.1 hand", ""))
		}
		report(t, fmt.Sprintf("link on %d hosts", n), link, hand)
		report(t, fmt.Sprintf("rollback on %d hosts", n), back, hand)
		for _, h := range s.Hosts {
			h.Kill()
		}
	}
}

// django is what a Django application of some years needs; two of its 30 distributions are compiled.
const django = `django==5.1.1
djangorestframework==3.15.2
pillow==11.0.0
psycopg2-binary==2.9.10
requests==2.32.3
gunicorn==23.0.0
whitenoise==6.8.2
celery==5.4.0
redis==5.2.0
sentry-sdk==2.19.0
python-dateutil==2.9.0.post0
`

// TestDjango: an application with many requirements, to 8 fresh hosts, and a second version.
func TestDjango(t *testing.T) {
	const hosts = 8
	var fresh, second, freshHand, secondHand []time.Duration
	for range rounds {
		files := application("1.0")
		files["requirements.txt"] = django
		s := newSite(t, hosts, files, "install: {mode: regular, requirements: requirements.txt}\n")
		install := ".venv/bin/pip install -q --disable-pip-version-check -r projecta-%s/requirements.txt;"
		s.Write("MANIFEST.in", "include requirements.txt\n")
		fresh = append(fresh, s.kis("push", "staging"))
		freshHand = append(freshHand, s.byHand("1.0", fmt.Sprintf(install, "1.0")))
		for name, text := range application("1.1") {
			s.Write(name, text)
		}
		second = append(second, s.kis("push", "staging"))
		secondHand = append(secondHand, s.byHand("1.1", fmt.Sprintf(install, "1.1")))
		for _, h := range s.Hosts {
			h.Kill()
		}
	}
	report(t, fmt.Sprintf("Django, %d fresh hosts", hosts), fresh, freshHand)
	report(t, fmt.Sprintf("Django, second version, %d hosts", hosts), second, secondHand)
}
