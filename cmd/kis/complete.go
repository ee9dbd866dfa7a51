package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keep-it-simple/kis/inventory"
)

// Completion never contacts a host: it reads the inventory, and the logs of earlier runs. It runs no
// command of the inventory either: hosts of `dynamic` are those that it has printed the last time.

const noFiles = cobra.ShellCompDirectiveNoFileComp

// completeStage completes the names of stages.
func (a *app) completeStage(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, noFiles
	}
	path, err := a.inventoryFile()
	if err != nil {
		return nil, noFiles
	}
	return inventory.Stages(path), noFiles
}

// completeTwoStages completes the names of two stages.
func (a *app) completeTwoStages(cmd *cobra.Command, args []string, start string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 1 {
		return nil, noFiles
	}
	names, directive := a.completeStage(cmd, nil, start)
	return slices.DeleteFunc(names, func(name string) bool { return slices.Contains(args, name) }), directive
}

// completeStageOrPackage completes the name of a stage, or of a package of earlier runs of this machine.
func (a *app) completeStageOrPackage(cmd *cobra.Command, args []string, start string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, noFiles
	}
	stages, directive := a.completeStage(cmd, nil, start)
	packages, _ := a.completePackageAndStage(cmd, nil, start)
	return append(stages, packages...), directive
}

// completeStageAndPackage completes a stage, then a package that was linked to it.
func (a *app) completeStageAndPackage(cmd *cobra.Command, args []string, start string) ([]string, cobra.ShellCompDirective) {
	switch len(args) {
	case 0:
		return a.completeStage(cmd, args, start)
	case 1:
		return a.completePackage(cmd, args, start)
	}
	return nil, noFiles
}

// completePackage completes the packages of earlier runs of this machine on the stage, newest
// first.
func (a *app) completePackage(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return nil, noFiles
	}
	return a.logs.Packages(args[0]), noFiles | cobra.ShellCompDirectiveKeepOrder
}

// completePackageAndStage completes the packages of earlier runs of this machine, then the stage.
func (a *app) completePackageAndStage(cmd *cobra.Command, args []string, start string) ([]string, cobra.ShellCompDirective) {
	stages, directive := a.completeStage(cmd, nil, start)
	switch {
	case len(args) == 1:
		return stages, directive
	case len(args) > 1:
		return nil, noFiles
	}
	var packages []string
	for _, stage := range stages {
		packages = append(packages, a.logs.Packages(stage)...)
	}
	slices.Sort(packages)
	return slices.Compact(packages), directive
}

// completeHosts completes the last of the comma-separated patterns of --hosts.
func (a *app) completeHosts(_ *cobra.Command, _ []string, start string) ([]string, cobra.ShellCompDirective) {
	inv, err := a.load()
	if err != nil {
		return nil, noFiles
	}
	hosts, err := inv.Hosts("")
	if err != nil {
		return nil, noFiles
	}
	before := start[:strings.LastIndex(start, ",")+1]
	if strings.HasPrefix(start[len(before):], "!") {
		before += "!"
	}
	var names []string
	for _, h := range hosts {
		names = append(names, before+h.Name)
	}
	for _, h := range hosts {
		for _, g := range h.Groups {
			if group := before + "@" + g; !slices.Contains(names, group) {
				names = append(names, group)
			}
		}
	}
	return names, noFiles | cobra.ShellCompDirectiveNoSpace
}
