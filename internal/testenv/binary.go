package testenv

import (
	"crypto/sha256"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/keep-it-simple/kis/internal/testenv/hermetic"
)

// binaryVariable tells the tests of a package where Main has put the program, and sumVariable its SHA-256.
const (
	binaryVariable = "KIS_TEST_BINARY"
	sumVariable    = "KIS_TEST_SUM"
)

// coverageVariable names the directory for what the program covers, see make coverage; unset: it is not measured.
const coverageVariable = "KIS_TEST_COVERAGE"

// Main builds kis once, runs the tests of a package as hermetic.Main does, and returns their exit
// status. With go test -race kis has the race detector in it, too. A package whose tests run kis has
//
//	func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }
func Main(m *testing.M) int {
	dir, err := os.MkdirTemp("", "kis-testenv-")
	if err != nil {
		log.Print(err)
		return 1
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	binary := filepath.Join(dir, "kis")
	cover := "-cover=false"
	if os.Getenv(coverageVariable) != "" {
		cover = "-coverpkg=github.com/keep-it-simple/kis/..."
	}
	// Git may not answer: the checkout may be another user's, or none.
	build := exec.Command("go", "build", fmt.Sprintf("-race=%t", raced), cover, "-buildvcs=false", "-ldflags=-w", "-o", binary, "github.com/keep-it-simple/kis/cmd/kis") //nolint:noctx // no test has begun whose context it could be
	if out, err := build.CombinedOutput(); err != nil {
		log.Printf("build kis: %v\n%s", err, out)
		return 1
	}
	program, err := os.ReadFile(binary)
	if err != nil {
		log.Print(err)
		return 1
	}
	for name, value := range map[string]string{binaryVariable: binary, sumVariable: fmt.Sprintf("%x", sha256.Sum256(program))} {
		if err := os.Setenv(name, value); err != nil {
			log.Print(err)
			return 1
		}
	}
	return hermetic.Main(m)
}

// Binary is the path of the kis that Main has built.
func Binary() string { return os.Getenv(binaryVariable) }
