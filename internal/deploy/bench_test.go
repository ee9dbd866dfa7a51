package deploy_test

import (
	"os/exec"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/deploy"
	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/testenv/oracle"
	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/sshx"
)

// BenchmarkRelink measures a whole run on three hosts whose packages are there: connect, check,
// lock, verify, switch, confirm.
func BenchmarkRelink(b *testing.B) {
	w := newWorld(b, openssh, 3)
	for _, version := range []string{"1.0", "1.1"} {
		require.Empty(b, w.run(b.Context(), b, push(b, version), nil).Failures)
	}
	next := []string{"hello-1.0", "hello-1.1"}
	skew, runs := 0.0, 0
	for b.Loop() {
		dialer := &sshx.Dialer{}
		f := w.deployer(dialer, nil)
		r := f.Run(b.Context(), deploy.Plan{Op: event.Relink, Hosts: w.hosts, Stage: inventory.Stage{Name: stageNamed(b, "staging")}, Target: pkg(b, next[runs%2])})
		require.NoError(b, dialer.Close())
		require.Equal(b, event.Succeeded, r.Outcome)
		skew += r.Skew.Seconds
		runs++
	}
	b.ReportMetric(1e6*skew/float64(runs), "µs-skew")
	oracle.Start(b, "staging", w.roots...).Check(oracle.Expect{Exit: 0, To: next[(runs+1)%2]})
}

// BenchmarkRelinkBySSH is what BenchmarkRelink is to be held against: ln on the same three hosts by
// ssh(1), at the same time, with no check, no lock, no barrier and no journal.
func BenchmarkRelinkBySSH(b *testing.B) {
	w := newWorld(b, openssh, 3)
	for b.Loop() {
		var all sync.WaitGroup
		errs := make([]error, len(w.hosts))
		for i, h := range w.hosts {
			all.Go(func() {
				errs[i] = exec.CommandContext(b.Context(), "ssh", "-F", w.config, h.Name, "ln", "-sfn", "hello-1.0", h.Root+"/staging").Run()
			})
		}
		all.Wait()
		for _, err := range errs {
			require.NoError(b, err)
		}
	}
}
