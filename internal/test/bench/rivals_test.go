//go:build bench

package bench

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// rival is a program that does the same jobs, as its manual shows it, on all hosts at the same time.
type rival struct {
	name    string
	program string
	command func(d desk) *exec.Cmd  // writes what the program reads, and is its command line
	after   func(s site, in string) // see contender
}

// desk is what a rival works with: an empty directory, and the steps of a job.
type desk struct {
	site
	job     job
	dir     string
	program string
	steps   []step
}

// wanted are the rivals of -rivals.
func wanted() []rival {
	names := strings.Split(*beside, ",")
	return slices.DeleteFunc([]rival{ansible(), fabric(), pyinfra(), capistrano(), spot()},
		func(r rival) bool { return !slices.Contains(names, r.name) })
}

// searched names the variable with more directories in which rivals are looked for, as PATH does.
const searched = "KIS_BENCH_RIVALS"

// path is where the rival's program is, or "".
func (r rival) path() string {
	for _, dir := range filepath.SplitList(os.Getenv(searched)) {
		if path, err := exec.LookPath(filepath.Join(dir, r.program)); err == nil {
			return path
		}
	}
	path, err := exec.LookPath(r.program)
	if err != nil {
		return ""
	}
	return path
}

// describeRivals prints which rivals there are. Medians are of -rounds rounds.
func describeRivals() {
	fmt.Printf("medians of %d; in parentheses: kis / the other\n", *rounds)
	for _, r := range wanted() {
		path := r.path()
		if path == "" {
			fmt.Println("not installed:", r.name)
			continue
		}
		out, err := exec.Command(path, "--version").CombinedOutput()
		first, _, _ := strings.Cut(string(out), "\n")
		if err != nil {
			first = err.Error()
		}
		fmt.Printf("%s: %s\n", r.name, first)
	}
}

// rivals are the rivals that are installed.
func rivals(t *testing.T) []contender {
	t.Helper()
	var found []contender
	for _, r := range wanted() {
		if path := r.path(); path != "" {
			found = append(found, r.contender(path))
		}
	}
	return found
}

func (r rival) contender(program string) contender {
	c := other(r.name, func(s site, j job) *exec.Cmd {
		return r.command(desk{site: s, job: j, dir: s.desk(r.name), program: program, steps: j.steps(s, r.name)})
	})
	if r.after != nil {
		c.after = func(s site) { r.after(s, s.desk(r.name)) }
	}
	return c
}

func (s site) desk(name string) string { return filepath.Join(s.Home, name) }

// put writes a file of the desk, and returns its path.
func (d desk) put(name, text string) string {
	d.t.Helper()
	path := filepath.Join(d.dir, name)
	require.NoError(d.t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(d.t, os.WriteFile(path, []byte(text), 0o644))
	return path
}

// run is the rival's program in its directory, which is its home too, behind the build.
func (d desk) run(environ []string, args ...string) *exec.Cmd {
	argv := append([]string{"/usr/bin/env", "-C", d.dir, d.program}, args...)
	cmd := d.building(d.job, argv...)
	path := filepath.Dir(d.program) + ":/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
	cmd.Env = append([]string{"PATH=" + path, "HOME=" + d.dir, "LANG=C.UTF-8"}, environ...)
	return cmd
}

func (d desk) names() []string {
	var names []string
	for _, h := range d.Hosts {
		names = append(names, h.Name)
	}
	return names
}

// quoted is a value as JSON, which is YAML as well; a text or a list of texts is also Python and,
// without "#{", Ruby.
func quoted(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // nothing that is passed here
	}
	return strings.NewReplacer(`\u0026`, "&", `\u003c`, "<", `\u003e`, ">").Replace(string(text))
}

// script is a program with one statement for each step.
func (d desk) script(head, run, send string) string {
	var b strings.Builder
	b.WriteString(head)
	for _, s := range d.steps {
		if s.run != "" {
			fmt.Fprintf(&b, run+"\n", quoted(s.run))
		} else {
			fmt.Fprintf(&b, send+"\n", quoted(s.from), quoted(s.to))
		}
	}
	return b.String()
}
