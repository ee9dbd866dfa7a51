package survey_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/internal/survey"
)

// TestInstallNamesACommandOnlyIfItBuildsTheSame: a push takes the working tree, whatever package a hint
// is about.
func TestInstallNamesACommandOnlyIfItBuildsTheSame(t *testing.T) {
	t.Parallel()
	const prose = "push it to web2, web3 from the files it was built from, with --no-link; packages: kis list live"
	for _, c := range []struct{ pkg, revision, want string }{
		{"app-2", "0123456789ab", "install it there: kis push live --hosts web2,web3 --rev 0123456789ab --no-link"},
		{"app-2+g0123456.d89abcdef", "0123456789ab", "install it there: kis push live --hosts web2,web3 --rev 0123456789ab --dev --no-link"},
		{"app-2", "0123456789ab+", prose},
		{"app-2", "", prose},
		{"app-2", "0123456789ab; reboot", prose},
	} {
		p, err := name.ParsePackage(c.pkg)
		require.NoError(t, err)
		assert.Equal(t, c.want, survey.Install("live", p, c.revision, []string{"web2", "web3"}))
	}
}
