// Package demo shows kis on three temporary hosts in this process: a push, a second one, one that
// is refused, and a rollback.
package demo

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/keep-it-simple/kis/internal/runlog"
)

//go:embed all:sample
var sample embed.FS

// Kis is what the demo shows.
type Kis struct {
	Say func(line string) // prints a line of the demo's own
	// Type prints a line as it is typed or answered.
	Type func(line string)
	// Run runs a command line with an own directory for the logs, and returns its exit status.
	Run func(ctx context.Context, logs runlog.Dir, args []string) int
}

// demo is the temporary environment.
type demo struct {
	Kis
	dir   string
	hosts []*demoHost
}

// Run runs the demo.
func Run(ctx context.Context, k Kis) (err error) {
	dir, err := os.MkdirTemp("", "kis-demo-")
	if err != nil {
		return err
	}
	d := &demo{Kis: k, dir: dir}
	defer func() {
		if bug := d.close(); err == nil {
			err = bug
		}
		if err == nil {
			d.tell("The hosts are stopped and everything is removed. Continue with the README.")
		}
	}()
	if err := d.prepare(ctx); err != nil {
		return err
	}
	return d.play(ctx)
}

// demoInventory is the inventory that is shown; the Python of this machine and the hosts are
// appended.
const demoInventory = `stages:
  staging:
    hosts: ["web[1:3]"]
    verify: ["sh check.sh"]
`

// scene is a part of the story: a text, a new version of the application, a command, an answer.
type scene struct {
	text    string   // "" for none
	version string   // of the application that is written; "" for no new one
	check   string   // the verification of that version
	command []string // nil for none
	exit    int      // of the command
	ask     bool     // each host's application answers
}

func scenes() []scene {
	return []scene{
		{text: `kis deploys Python applications by push over SSH. Three hosts, web1, web2 and
web3, run in this process; a small application, "hello", is pushed to them.
This inventory is all that kis needs:

` + indent(demoInventory) + `
A push builds the source distribution on this machine, uploads it to every
host, makes a package of it there (the unpacked application with its own
environment) and verifies it. Only when all hosts are ready are their links
switched.`, command: []string{"push", "staging"}},
		{text: `"staging" is now a symbolic link on every host. The application answers through it:`, ask: true},
		{text: "Version 1.1 is pushed. The package of version 1.0 stays.", version: "1.1", command: []string{"push", "staging"}},
		{
			text: "Version 1.2 needs a file greeting.txt on the host. web1 and web3 have it, web2\n" +
				"lacks it. One host that is not ready is enough: no link is changed on any host.",
			version: "1.2", check: "test -r ../greeting.txt || { echo '1.2 needs greeting.txt beside the packages'; exit 1; }\n",
			command: []string{"push", "staging"}, exit: 3, ask: true,
		},
		{text: "A rollback links the previous package. It uploads and builds nothing.", command: []string{"rollback", "staging"}, ask: true},
		{text: "What is linked where, and who did what:", command: []string{"status"}},
		{command: []string{"log", "staging"}},
	}
}

// play is the story.
func (d *demo) play(ctx context.Context) error {
	for _, s := range scenes() {
		if s.text != "" {
			d.tell(s.text)
		}
		if s.version != "" {
			if err := d.release(s.version, s.check); err != nil {
				return err
			}
		}
		if s.command != nil {
			if err := d.kis(ctx, s.exit, s.command...); err != nil {
				return err
			}
		}
		if s.ask {
			if err := d.ask(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *demo) tell(text string) {
	d.Say("")
	for line := range strings.SplitSeq(text, "\n") {
		d.Say(line)
	}
}

func indent(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n    ") + "\n"
}

// kis runs a command as a user would type it, and requires its exit status.
func (d *demo) kis(ctx context.Context, want int, args ...string) error {
	typed := "kis " + strings.Join(args, " ")
	d.Type("")
	d.Type("$ " + typed)
	full := append([]string{"-i", d.path("hello", "inventory.yaml"), "--ssh-config", d.path("ssh_config"), "--project", d.path("hello")}, args...)
	got := d.Run(ctx, runlog.Dir(d.path("state")), full)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case got != want:
		return fmt.Errorf("demo: %s exited with %d instead of %d", typed, got, want)
	}
	return nil
}

// ask runs the application on each host, from the package that the stage links to.
func (d *demo) ask(ctx context.Context) error {
	for _, h := range d.hosts {
		linked, err := filepath.EvalSymlinks(filepath.Join(h.root, "staging"))
		if err != nil {
			return err
		}
		command := exec.CommandContext(ctx, filepath.Join(linked, ".venv", "bin", "python"), "-B", "-m", "hello")
		command.Dir = linked
		answer, err := command.Output()
		if err != nil {
			return fmt.Errorf("demo: %s: %w", h.name, err)
		}
		d.Type("  " + h.name + "  " + strings.Join(strings.Fields(string(answer)), " "))
	}
	return nil
}

// release writes the next version of the application, and its verification.
func (d *demo) release(version, check string) error {
	if err := os.WriteFile(d.path("hello", "VERSION"), []byte(version+"\n"), 0o644); err != nil { //nolint:gosec // a source file
		return err
	}
	return os.WriteFile(d.path("hello", "check.sh"), []byte(check+"python -B -m hello\n"), 0o644) //nolint:gosec // a source file
}

func (d *demo) path(names ...string) string {
	return filepath.Join(append([]string{d.dir}, names...)...)
}

func (d *demo) writeSample() error {
	top, err := fs.Sub(sample, "sample")
	if err != nil {
		return err
	}
	if err := os.CopyFS(d.path("hello"), top); err != nil {
		return err
	}
	return d.release("1.0", "")
}
