// Package e2e holds the end-to-end tests: the kis program itself, against real OpenSSH servers with a package repository each
// (package hosttest), real Python environments and the pip of the hosts. Package oracle judges every run from outside.
//
// It is for what only the whole can show. What a package of kis can show alone is tested there.
package e2e
