// Package recovery tests that kis recovers: the kis program itself against real OpenSSH servers
// (package testenv) whose networks, disks and processes are broken from outside, and which is itself
// killed, failed and cut off at every moment that can be named, and at random ones. After each run,
// package oracle judges from outside what the exit status promises, and the same command has to
// succeed once the fault is gone.
//
// The names of tests and subtests end and begin with the ids of docs/testing.md, which lists all
// faults. What happens when nothing fails is tested by package e2e.
package recovery
