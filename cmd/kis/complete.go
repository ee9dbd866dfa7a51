package main

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/inventory"
)

// Completion never contacts a host: it reads the inventory, and the logs of earlier runs.

const noFiles = cobra.ShellCompDirectiveNoFileComp

// completeStage completes the names of stages.
func (a *app) completeStage(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, noFiles
	}
	inv, err := a.load()
	if err != nil {
		return nil, noFiles
	}
	return inv.StageNames(), noFiles
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

// completePackage completes the packages that earlier runs of this machine had to do with on the stage, newest first.
func (a *app) completePackage(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return nil, noFiles
	}
	state, err := a.state()
	if err != nil {
		return nil, noFiles
	}
	logs, err := filepath.Glob(filepath.Join(state, "runs", "*-"+args[0]+"-*.jsonl"))
	if err != nil {
		return nil, noFiles
	}
	var found []string
	for _, path := range slices.Backward(logs) { // their names sort by time
		for _, name := range packagesOf(path, args[0]) {
			if !slices.Contains(found, name) {
				found = append(found, name)
			}
		}
	}
	return found, noFiles | cobra.ShellCompDirectiveKeepOrder
}

// packagesOf reads the report of a run: what it wanted to link, and what was linked before.
func packagesOf(path, stage string) []string {
	file, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer file.Close() //nolint:errcheck // only read
	var report *event.Report
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		if !strings.HasPrefix(lines.Text(), `{"type":"report"`) {
			continue
		}
		var e event.Event
		if json.Unmarshal(lines.Bytes(), &e) == nil {
			report = e.Report
		}
	}
	if report == nil || report.Stage != stage {
		return nil
	}
	names := []string{report.Package}
	for _, h := range report.Hosts {
		names = append(names, h.Was)
	}
	return slices.DeleteFunc(names, func(s string) bool {
		_, err := name.ParsePackage(s) // what a stage was linked to is whatever its host has said, and shells paste it
		return err != nil
	})
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
	for _, g := range groupNames(hosts) {
		names = append(names, before+"@"+g)
	}
	return names, noFiles | cobra.ShellCompDirectiveNoSpace
}

func groupNames(hosts []inventory.Host) []string {
	var names []string
	for _, h := range hosts {
		for _, g := range h.Groups {
			if !slices.Contains(names, g) {
				names = append(names, g)
			}
		}
	}
	return names
}
