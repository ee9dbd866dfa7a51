// Package compat holds the tests of hosts that are not as one would wish: other login shells, start-up scripts that print, read or exit, other SSH
// servers, other tools, and another user behind sudo. Each takes a complete push, or is refused in the check with a remedy; none may hang, and
// none may count as success wrongly.
//
// They run the kis program itself (package testenv) against real servers (package hosttest). What goes wrong on ordinary hosts is not their
// business.
package compat
