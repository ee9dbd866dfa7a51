package main

import (
	"os"
	"path/filepath"
	"strings"
)

// relativeToHome shortens a path in the user's home directory to what a shell reads as the same: ~/….
func relativeToHome(path string) string {
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
