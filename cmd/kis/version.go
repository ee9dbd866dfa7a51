package main

import (
	"runtime"
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
			if a.output == outputJSON {
				a.Out.json(map[string]any{"type": "version", "version": version(), "protocol": remote.Protocol, "go": runtime.Version()})
				return nil
			}
			a.Out.printf("kis %s (protocol %d, %s, %s/%s)\n", version(), remote.Protocol, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return nil
		},
	}
}

// version is what the Go toolchain recorded: a module version, or the revision of the working copy.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(unknown)"
	}
	return info.Main.Version
}
