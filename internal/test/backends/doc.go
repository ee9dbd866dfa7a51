// Package backends pushes a small application of every build backend to hosts of every Python and
// pip that kis is to work with, and makes the table of docs/compatibility.md from what it sees.
//
// Everything is real: kis, sshd, the hosts' pip, the backends of the package index, a C and a Rust
// compiler.
package backends
