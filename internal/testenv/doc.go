// Package testenv plays a user at a machine, who has a project and some hosts. Tests use it to run the kis program
// itself against real OpenSSH servers (package hosttest). Package oracle judges every run from outside.
//
// It causes no faults: the tests that need a fault cause it themselves.
package testenv
