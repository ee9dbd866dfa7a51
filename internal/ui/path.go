package ui

import (
	"os"
	"path/filepath"
	"strings"
)

// HomePath shortens a path in the user's home directory to ~/…, which a shell reads as the same.
func HomePath(path string) string {
	home, err := os.UserHomeDir()
	if err != nil || !filepath.IsAbs(home) {
		return path
	}
	home = filepath.Clean(home)
	rest, inside := strings.CutPrefix(path, home)
	if !inside || home == "/" || rest != "" && rest[0] != '/' {
		return path
	}
	return "~" + rest
}

// RelativePath returns a path relative to the current directory, when that is shorter.
func RelativePath(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	if short, err := filepath.Rel(here, path); err == nil && len(short) < len(path) {
		return short
	}
	return path
}
