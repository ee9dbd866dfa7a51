package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/internal/starter"
	"github.com/keep-it-simple/kis/internal/ui"
	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/remote"
)

// initStatus is the exit status of init.
const initStatus = `
Exit status:
    0  the inventory was written
    1  a bug in kis
    2  usage error, or there is an inventory already: nothing was written
  130  interrupted: nothing was written
`

func newInit(a *app) *cobra.Command {
	root := ""
	cmd := &cobra.Command{
		Use:   "init [stage=]host[,host ...] ...",
		Short: "Write the inventory of this project",
		Long: `Init writes inventory.yaml into the directory of the project, with comments: for Django, Flask, FastAPI, Pyramid and
others it knows what such a project shares, runs once in a push, and verifies. It asks the hosts for the systemd
services that run this application, and writes them as services, with the address where they listen as health. What it
cannot know is a comment.

An argument is a stage with its hosts; without a name the stage is production. At a terminal it asks for what is not
given. It changes nothing on any host, and never replaces an inventory.

Examples:
  kis init web1,web2
  kis init staging=stage1 production=web1,web2
  kis init deploy@web1 --root /srv/shop`,
		GroupID:           "other",
		Annotations:       map[string]string{statusKey: initStatus},
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, args []string) error { return a.init(cmd, args, root) },
	}
	cmd.Flags().StringVar(&root, "root", "", "the `directory` of the packages on the hosts (default: /var/webcode/NAME)")
	return cmd
}

func (a *app) init(cmd *cobra.Command, args []string, root string) error {
	ctx := cmd.Context()
	dir, err := a.projectDir()
	if err != nil {
		return err
	}
	path := a.inventoryPath
	if path == "" {
		path = filepath.Join(dir, "inventory.yaml")
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return &ui.Hinted{Err: fmt.Errorf("there is an inventory already: %s", ui.RelativePath(path)), Help: "edit it; or name another file: kis init -i FILE"}
	}
	project, err := starter.Inspect(dir)
	if err != nil {
		return fmt.Errorf("%s: %w", ui.RelativePath(filepath.Join(dir, "pyproject.toml")), err)
	}
	o := starter.Options{Project: project, Root: root}
	if err := a.newStages(cmd, args, &o); err != nil {
		return err
	}
	// A first text says whether names and root are right, before any host is asked.
	text, err := starter.Text(o)
	if err != nil {
		return err
	}
	if err := a.askHosts(ctx, &o, text); err != nil {
		return err
	}
	if text, err = starter.Text(o); err != nil {
		return err
	}
	if err := writeNew(path, text); err != nil {
		return err
	}
	a.ui.Started(project, ui.RelativePath(path), o.Stages)
	return nil
}

// newStages reads the arguments, or asks.
func (a *app) newStages(cmd *cobra.Command, args []string, o *starter.Options) error {
	if len(args) == 0 {
		ask := a.ui.Prompt()
		if ask == nil {
			return usageError(cmd, errors.New("the hosts are missing"))
		}
		answer, err := ask(cmd.Context(), "hosts of the stage production, such as web1,web2:", true)
		if err != nil {
			return err
		}
		args = []string{strings.ReplaceAll(strings.TrimSpace(answer), " ", ",")}
	}
	for _, arg := range args {
		stage, hosts, named := strings.Cut(arg, "=")
		if !named {
			stage, hosts = "production", arg
		}
		if _, err := name.ParseStage(stage); err != nil {
			return usageError(cmd, err)
		}
		if slices.ContainsFunc(o.Stages, func(s starter.Stage) bool { return s.Name == stage }) {
			return usageError(cmd, fmt.Errorf("the stage %s is named twice: separate its hosts with commas", stage))
		}
		s := starter.Stage{Name: stage}
		for host := range strings.SplitSeq(hosts, ",") {
			user, host := userOf(host)
			switch {
			case host == "":
				return usageError(cmd, fmt.Errorf("%q: a host is missing", arg))
			case user != "" && o.User != "" && user != o.User:
				return usageError(cmd, fmt.Errorf("%s and %s: name one user, and the others in ~/.ssh/config or in the inventory", o.User, user))
			case user != "":
				o.User = user
			}
			s.Hosts = append(s.Hosts, host)
		}
		o.Stages = append(o.Stages, s)
	}
	return nil
}

// userOf splits user@host. As for ssh, the last @ counts.
func userOf(text string) (user, host string) {
	if at := strings.LastIndexByte(text, '@'); at >= 0 {
		return text[:at], text[at+1:]
	}
	return "", text
}

// askHosts adds to each stage the services that were found on its hosts. Hosts that cannot be asked are a comment.
func (a *app) askHosts(ctx context.Context, o *starter.Options, text string) error {
	inv, err := inventory.Parse("inventory.yaml", []byte(text), func(string) error { return nil })
	if err != nil {
		return err
	}
	v := a.ui.View()
	v.Say("asking the hosts for the services of " + o.Project.Name)
	d := a.deployer(inv, v.Event)
	defer d.Fleet.Dialer.Close() //nolint:errcheck // every client of it is closed already
	for i := range o.Stages {
		s := &o.Stages[i]
		hosts, err := inv.Select(s.Name, "")
		if err != nil {
			return err
		}
		end := a.ui.Waiting(s.Name)
		found, failures := d.Units(ctx, hosts)
		end()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var candidates [][]starter.Unit
		for at, h := range hosts {
			if failures[at] != nil {
				s.Notes = append(s.Notes, h.Name+" could not be asked: "+failures[at].Text())
				continue
			}
			candidates = append(candidates, starterUnits(found[at]))
		}
		var others []string
		for _, other := range o.Stages {
			if other.Name != s.Name {
				others = append(others, other.Name)
			}
		}
		s.Units = starter.Own(candidates, o.Project, hosts[0].Root, s.Name, others)
	}
	return nil
}

func starterUnits(units []remote.Unit) []starter.Unit {
	all := make([]starter.Unit, len(units))
	for i, u := range units {
		all[i] = starter.Unit{Name: u.Name, User: u.User, Exec: u.Exec, Directory: u.Directory}
	}
	return all
}

// writeNew writes a file that must not exist.
func writeNew(path, text string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // an inventory has no secrets
	if err != nil {
		return err
	}
	_, err = file.WriteString(text) //nolint:forbidigo // not for a terminal
	return errors.Join(err, file.Close())
}
