// Package ttytest makes pseudo-terminals for tests that need a person at a terminal. It is for tests, and for Linux.
package ttytest
