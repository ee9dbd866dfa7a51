// Package hermetic checks that the tests of a package leave the machine alone that they run on.
// Hosts of tests have roots of their own (package ownroot); whatever a test changes outside of its
// temporary directory is a bug of the test.
package hermetic

import (
	"log"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
)

// Main runs the tests of a package, compares the machine before and after, and returns the exit
// status. A difference fails the package, whoever made it: the lines on standard error name it. A
// package whose tests start hosts or servers, mount, or need root has
//
//	func TestMain(m *testing.M) { os.Exit(hermetic.Main(m)) }
func Main(m *testing.M) int {
	before, err := takeSnapshot(watched(), mountTable)
	if err != nil {
		log.Print(err)
		return 1
	}
	status := m.Run()
	after, err := takeSnapshot(watched(), mountTable)
	if err != nil {
		log.Print(err)
		return 1
	}
	changes := before.compare(after)
	if len(changes) == 0 {
		return status
	}
	log.Printf("this machine is not what it was before the tests:\n  %s\n"+
		"A test has changed it, or something else has at the same time.", strings.Join(changes, "\n  "))
	return max(status, 1)
}

// mountTable is where Linux lists the mounts of a process. Elsewhere it does not exist, and no
// mounts are compared.
const mountTable = "/proc/self/mountinfo"

// watched are the files and directories that a test could be tempted to change: those that kis
// changes on a host, those of accounts, and what belongs to the user who runs the tests. Of a
// directory, the entries are watched too.
func watched() []string {
	paths := []string{
		"/var/webcode", "/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow", "/etc/sudoers", "/etc/sudoers.d", "/etc/hosts",
		"/etc/ssh", "/etc/pip.conf", "/etc/uv", "/home/kistest", "/run/sshd",
	}
	if home := os.Getenv("HOME"); home != "" {
		paths = append(paths, filepath.Join(home, ".ssh"))
	}
	// ssh, and kis with it, takes the home directory from the user database.
	if u, err := user.Current(); err == nil && u.HomeDir != os.Getenv("HOME") {
		paths = append(paths, filepath.Join(u.HomeDir, ".ssh"))
	}
	return paths
}
