package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/keep-it-simple/kis/internal/fleet"
	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/sshx"
)

func newHosts(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "hosts [pattern]",
		Short: "Show the inventory after expansion, with the ssh settings in force",
		Long: `Hosts shows every host of the inventory, or those that match the pattern, with how it is reached. With -v it shows every ssh setting
and who decided it. It connects to no host.`,
		GroupID: "look",
		Args:    atMost("pattern"),
		RunE: func(cmd *cobra.Command, args []string) error {
			pattern := a.hosts
			if len(args) > 0 {
				pattern = args[0]
			}
			return a.printHosts(cmd.Context(), pattern)
		},
	}
}

func (a *app) printHosts(ctx context.Context, pattern string) error {
	inv, err := a.load()
	if err != nil {
		return err
	}
	hosts, err := inv.Hosts(pattern)
	if err != nil {
		return err
	}
	resolver := sshx.Resolver{ConfigFile: a.sshConfig}
	w := tabwriter.NewWriter(a.Out, 0, 0, 2, ' ', 0)
	for _, h := range hosts {
		t, err := resolver.Resolve(ctx, fleet.SSHHost(h, inv.Dir()))
		if err != nil {
			return err
		}
		if a.output == outputJSON {
			writeJSON(a.Out, map[string]any{
				"type": "host", "schema": fleet.Schema, "host": h.Name, "user": t.User, "address": t.HostName, "port": t.Port, "root": h.Root, "python": h.Python, "become": h.Become,
				"groups": h.Groups, "settings": t.Settings,
			})
			continue
		}
		_, _ = fmt.Fprintf(w, "%s\t%s@%s:%d%s\t%s\t%s\t%s\n", h.Name, t.User, t.HostName, t.Port, jumpText(t), h.Root, h.Python+becomeText(h), groupText(h))
		if a.verbose {
			for _, s := range t.Settings {
				_, _ = fmt.Fprintf(w, "  %s\t%s\t%s\n", s.Name, clean(s.Value), clean(s.Source))
			}
		}
	}
	return w.Flush()
}

func jumpText(t sshx.Target) string {
	if len(t.Jump) == 0 {
		return ""
	}
	return " through " + t.Jump[0].Name
}

func becomeText(h inventory.Host) string {
	if h.Become == "" {
		return ""
	}
	return " as " + h.Become
}

func groupText(h inventory.Host) string {
	if len(h.Groups) == 0 {
		return ""
	}
	return "@" + strings.Join(h.Groups, " @")
}
