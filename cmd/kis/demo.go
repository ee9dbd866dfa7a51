package main

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

//go:embed all:sample
var sample embed.FS

func newDemo(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "Show a push, a push that is refused, and a roll-back, on three throw-away hosts",
		Long: `Demo starts three hosts in this process, writes a sample application and an inventory into a temporary folder, and shows a push, a second
push, a push that is refused at the barrier because one host is not ready, and a roll-back. It needs python3 with venv on this machine
and no server, and leaves nothing behind. The hosts listen on the loopback interface and let nobody in but this process; they are no
sandbox: what is deployed runs as you.`,
		GroupID: "other",
		Args:    atMost(),
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.demo(cmd.Context()) },
	}
}

// demo is the throw-away world of `kis demo`.
type demo struct {
	app    *app
	folder string
	hosts  []*demoHost
}

func (a *app) demo(ctx context.Context) (err error) {
	folder, err := os.MkdirTemp("", "kis-demo-")
	if err != nil {
		return err
	}
	d := &demo{app: a, folder: folder}
	defer func() {
		if bug := d.close(); err == nil {
			err = bug
		}
		if err == nil {
			d.tell("The hosts are stopped and everything is removed again. Your turn: see the\nREADME.")
		}
	}()
	if err := d.prepare(ctx); err != nil {
		return err
	}
	return d.play(ctx)
}

// demoInventory is the whole inventory; the python of this machine is added below it.
const demoInventory = `stages:
  staging:
    hosts: ["web[1:3]"]
    verify: ["sh check.sh"]
`

// play is the story.
func (d *demo) play(ctx context.Context) error {
	d.tell(`kis deploys Python applications by push over SSH. Three hosts, web1, web2 and
web3, live in this process for a moment; a small application, "hello", is going
to be pushed to them. This inventory is all that kis needs:

` + indent(demoInventory) + `
A push builds the source distribution here, uploads it to every host, makes a
package of it there (the unpacked application with its own environment) and
verifies it. Only when all hosts are ready are their links switched.`)
	if err := d.kis(ctx, 0, "push", "staging"); err != nil {
		return err
	}
	d.tell(`"staging" is a symbolic link on every host now. This is what answers behind it:`)
	if err := d.ask(ctx); err != nil {
		return err
	}
	d.tell("Version 1.1 is pushed. The package of version 1.0 stays where it is.")
	if err := d.release("1.1", ""); err != nil {
		return err
	}
	if err := d.kis(ctx, 0, "push", "staging"); err != nil {
		return err
	}
	d.tell("Version 1.2 needs a file greeting.txt on the host. Somebody has put it on web1\n" +
		"and web3, and has forgotten web2. One host that is not ready is enough: no link\nis touched anywhere.")
	if err := d.release("1.2", "test -r ../greeting.txt || { echo '1.2 needs greeting.txt beside the packages'; exit 1; }\n"); err != nil {
		return err
	}
	if err := d.kis(ctx, 3, "push", "staging"); err != nil {
		return err
	}
	if err := d.ask(ctx); err != nil {
		return err
	}
	d.tell("A roll-back links the package before. It uploads and builds nothing, so it takes a moment.")
	if err := d.kis(ctx, 0, "rollback", "staging"); err != nil {
		return err
	}
	if err := d.ask(ctx); err != nil {
		return err
	}
	d.tell("What is linked where, and who did what:")
	if err := d.kis(ctx, 0, "status"); err != nil {
		return err
	}
	return d.kis(ctx, 0, "log", "staging")
}

func (d *demo) tell(text string) {
	paint := d.app.painter()
	d.app.Out.lines("")
	for line := range strings.SplitSeq(text, "\n") {
		d.app.Out.printf("%s\n", paint.strong(line))
	}
}

func indent(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n    ") + "\n"
}

// kis runs a command as a person would type it, and insists on its exit status.
func (d *demo) kis(ctx context.Context, want int, args ...string) error {
	d.app.Out.printf("\n$ kis %s\n", strings.Join(args, " "))
	inner := &app{streams: d.app.streams, stateFolder: filepath.Join(d.folder, "state"), signals: d.app.signals, bugs: d.app.bugs}
	inner.Terminal, inner.Err = false, d.app.Out // one stream, so that the story keeps its order
	full := append([]string{"-i", d.path("hello", "inventory.yaml"), "--ssh-config", d.path("ssh_config"), "--color", d.app.color}, args...)
	if got := execute(ctx, inner, full); ctx.Err() != nil {
		return ctx.Err()
	} else if got != want {
		return fmt.Errorf("demo: kis %s ended with %d instead of %d", strings.Join(args, " "), got, want)
	}
	return ctx.Err()
}

// ask runs the application on each host, from the package that the stage is linked to.
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
		d.app.Out.printf("  %s  %s\n", h.name, strings.Join(strings.Fields(string(answer)), " "))
	}
	return nil
}

// release writes the next version of the application, and what its host must have.
func (d *demo) release(version, check string) error {
	if err := os.WriteFile(d.path("hello", "VERSION"), []byte(version+"\n"), 0o644); err != nil { //nolint:gosec // a source file
		return err
	}
	return os.WriteFile(d.path("hello", "check.sh"), []byte(check+"python -B -m hello\n"), 0o644) //nolint:gosec // a source file
}

func (d *demo) path(names ...string) string {
	return filepath.Join(append([]string{d.folder}, names...)...)
}

// writeSample puts the sample application down.
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
