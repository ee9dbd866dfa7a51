package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/keep-it-simple/kis/internal/fleet"
	"github.com/keep-it-simple/kis/sshx"
)

func newHosts(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "hosts [pattern]",
		Short: "Show the expanded inventory with the ssh settings in force",
		Long: `Hosts shows every host of the inventory, or those that match the pattern, and how kis reaches it. With
-v it shows every ssh setting and its source: the inventory, a file of ssh_config, a default, or kis
itself where it does not follow the configuration. It connects to no host.`,
		GroupID: "inspect",
		Args:    arguments(0, "the pattern"),
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
	resolver := sshx.Resolver{ConfigFile: a.sshConfig, Explain: a.ui.Verbose}
	targets := make([]sshx.Target, len(hosts))
	for i, h := range hosts {
		if targets[i], err = resolver.Resolve(ctx, fleet.SSHHost(h, inv.Dir())); err != nil {
			return err
		}
	}
	a.ui.Hosts(hosts, targets)
	return nil
}
