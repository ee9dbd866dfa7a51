package main

import "github.com/spf13/cobra"

// completeStage completes the names of stages from the inventory. It never contacts a host.
func (a *app) completeStage(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	inv, err := a.load()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return inv.StageNames(), cobra.ShellCompDirectiveNoFileComp
}
