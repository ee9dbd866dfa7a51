package main

import (
	_ "embed"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keep-it-simple/kis/remote"
)

func newVersion(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Show the version of kis",
		Long:    "Version shows the version of kis, of the protocol it speaks with its agent, and of Go.",
		GroupID: "other",
		Args:    arguments(0),
		RunE: func(*cobra.Command, []string) error {
			a.ui.Version(version(), remote.Protocol)
			return nil
		},
	}
}

// archived is the tag, or the tag and the commits since, that `git archive` writes into the file of
// an exported source archive (.gitattributes); in a checkout it is a placeholder.
//
//go:embed archived.txt
var archived string

// version is what the Go toolchain recorded: the tag of the commit, a pseudo-version, or the version
// of the module that was installed. A source archive has neither a repository nor a version: it is
// named by git archive.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(unknown)"
	}
	return versionOf(info.Main.Version, archived)
}

func versionOf(recorded, archived string) string {
	archived = strings.TrimSpace(archived)
	switch {
	case recorded != "" && recorded != "(devel)":
		return recorded
	case strings.HasPrefix(archived, "v"):
		return archived
	}
	return "(devel)"
}
