package sshxtest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Script writes an executable file.
func Script(t testing.TB, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "command")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o700)) //nolint:gosec // a program must be executable
	return file
}

// RelayScript writes a program that connects its standard input and output to a port of this
// machine, as nc does. It ends when either side does.
func RelayScript(t testing.TB) string {
	t.Helper()
	return Script(t, `#!/usr/bin/python3
import os, socket, sys, threading
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
def up():
    while data := os.read(0, 65536):
        s.sendall(data)
    s.shutdown(socket.SHUT_WR)
threading.Thread(target=up, daemon=True).start()
while data := s.recv(65536):
    os.write(1, data)
`)
}
