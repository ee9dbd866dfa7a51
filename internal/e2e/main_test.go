package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// binaryVariable tells the tests where TestMain has put the program.
const binaryVariable = "KIS_E2E_BINARY"

func TestMain(m *testing.M) {
	os.Exit(withBinary(m.Run))
}

// withBinary builds kis once, with the race detector, for all tests.
func withBinary(run func() int) int {
	dir, err := os.MkdirTemp("", "kis-e2e-")
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binary := filepath.Join(dir, "kis")
	build := exec.Command("go", "build", "-race", "-o", binary, "../../cmd/kis")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "build kis:", err)
		return 1
	}
	if err := os.Setenv(binaryVariable, binary); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return run()
}
