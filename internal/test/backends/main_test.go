package backends

import (
	"os"
	"testing"

	"github.com/keep-it-simple/kis/internal/testenv"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }
