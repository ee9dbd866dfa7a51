package e2e

import (
	"os"
	"testing"

	"github.com/keep-it-simple/kis/internal/site"
)

func TestMain(m *testing.M) { os.Exit(site.Main(m, true)) }
