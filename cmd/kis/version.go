package main

import (
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/keep-it-simple/kis/remote"
)

func newVersion(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Show the version of kis",
		Long:    "Version shows the version of kis, of the protocol it speaks with its agent, and of Go.",
		GroupID: "other",
		Args:    atMost(),
		RunE: func(*cobra.Command, []string) error {
			a.ui.Version(version(), remote.Protocol)
			return nil
		},
	}
}

// version is what the Go toolchain recorded: a module version, or the revision of the checkout.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(unknown)"
	}
	return info.Main.Version
}
