// Package ttytest makes pseudo-terminals for tests that need a person at a terminal, and interprets what a terminal would
// show. It is for tests; the former are for Linux.
package ttytest
