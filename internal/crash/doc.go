// Package crash holds the tests of crash safety: the kis program itself against real hosts (package site), killed, failed and cut off at every
// moment that can be named, and at random ones. After each, package oracle judges what the exit status says, and the same command has to succeed.
//
// A part that stands for the whole runs always; `-args -everything` runs the whole. What happens when nothing fails is the business of package e2e.
package crash
