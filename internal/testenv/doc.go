// Package testenv is a person at a machine, with a project and some hosts: what tests need that run the kis program itself against real OpenSSH
// servers (package hosttest). Package oracle judges every run from outside.
//
// It is for tests. What it does not do is break anything: faults are the business of the tests that need them.
package testenv
