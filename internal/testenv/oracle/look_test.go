package oracle

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
)

func TestAgentsAndWhatTheyHaveStartedAreSeenWhereverTheyWork(t *testing.T) {
	t.Parallel()
	hosts := hosttest.New(t, 2, hosttest.Options{})
	h, other := Host{Name: "web1", Root: hosts[0].Repo}, Host{Name: "web2", Root: hosts[1].Repo}
	require.Empty(t, processes(h))
	hosts[0].Shell(t, `exec >/dev/null 2>&1; cd /
/usr/bin/python3 -X utf8 -I -S -c 'import time; time.sleep(1001)' &
KIS_RUN=1 sleep 1002 &
KIS_AGENT=1 sleep 1003 &
KIS_RUN=1 KIS_SERVICE=1 sleep 1004 &
sleep 1005 &`)
	var found string
	require.Eventually(t, func() bool {
		found = strings.Join(processes(h), "\n")
		return strings.Count(found, "\n") == 2
	}, 10*time.Second, 20*time.Millisecond, "three of five")
	for _, one := range []string{"sleep(1001)", "sleep 1002", "sleep 1003"} {
		require.Contains(t, found, one)
	}
	require.Empty(t, processes(other))
}
