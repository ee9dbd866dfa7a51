package scripts_test

import (
	"os"
	"testing"

	"github.com/keep-it-simple/kis/internal/testenv/hermetic"
)

func TestMain(m *testing.M) { os.Exit(hermetic.Main(m)) }
