// Package faults reads the matrix of faults, docs/faults.md: what can go wrong, what is promised, and the test that makes it go wrong. Its own
// tests are those rows that need the whole of kis against real OpenSSH servers, and they check that every test that the matrix names exists.
//
// The document is the only list. The program in the folder matrix runs the tests that it names, and says of every row what came of them.
package faults
