// Package faults holds the tests of faults that need the whole of kis against real OpenSSH servers:
// hosts whose networks, disks and processes are broken from outside. The names of tests and
// subtests end and begin with the ids of docs/testing.md, which lists all faults.
package faults
