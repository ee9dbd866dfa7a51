package deploy_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/fleet"
	"github.com/keep-it-simple/kis/internal/sshtest"
	"github.com/keep-it-simple/kis/internal/survey"
	"github.com/keep-it-simple/kis/remote"
	"github.com/keep-it-simple/kis/sshx"
)

// strangers starts hosts whose keys are in no known_hosts file, and returns that file.
func strangers(t *testing.T, n int) (*world, string) {
	t.Helper()
	w := newWorld(t, embedded, n)
	known := filepath.Join(filepath.Dir(w.config), "known_hosts")
	require.NoError(t, os.Remove(known))
	return w, known
}

// connections counts those of each host.
func (w *world) connections() []int {
	counts := make([]int, 0, len(w.hosts))
	for _, h := range w.hosts {
		counts = append(counts, len(w.proxy[h.Name].Connections()))
	}
	return counts
}

// meet found at the hosts; answer is what a person says about each question.
func (w *world) meet(t *testing.T, forks int, answer func(keys []*sshx.HostKeyError) bool) (found []survey.Repository, questions [][]string) {
	t.Helper()
	dialer := &sshx.Dialer{}
	f := &fleet.Fleet{Resolver: sshx.Resolver{ConfigFile: w.config}, Dialer: dialer, Forks: forks}
	if answer != nil {
		f.AskKeys = func(_ context.Context, keys []*sshx.HostKeyError) bool {
			var names []string
			for _, k := range keys {
				names = append(names, k.Host)
			}
			slices.Sort(names)
			questions = append(questions, names)
			return answer(keys)
		}
	}
	found = survey.Read(t.Context(), f, w.hosts, remote.StateRequest{})
	require.NoError(t, dialer.Close())
	return found, questions
}

func yes([]*sshx.HostKeyError) bool { return true }

func TestUnknownHostKeysAreAskedAboutOnceForAllHosts(t *testing.T) {
	t.Parallel()
	w, known := strangers(t, 3)
	found, questions := w.meet(t, 2, yes)
	for _, l := range found {
		assert.Nil(t, l.Failure)
	}
	assert.Equal(t, [][]string{{"web1", "web2", "web3"}}, questions)
	// One connection on which the key was seen, and one after the yes.
	assert.Equal(t, []int{2, 2, 2}, w.connections())
	text, err := os.ReadFile(known)
	require.NoError(t, err)
	assert.Equal(t, 3, strings.Count(string(text), "\n"))

	_, questions = w.meet(t, 0, yes)
	assert.Empty(t, questions)
	assert.Equal(t, []int{3, 3, 3}, w.connections())
}

func TestUnknownHostKeysAreRefusedUnlessTheUserAcceptsThem(t *testing.T) {
	t.Parallel()
	for _, answer := range []func([]*sshx.HostKeyError) bool{nil, func([]*sshx.HostKeyError) bool { return false }} {
		w, known := strangers(t, 2)
		found, _ := w.meet(t, 0, answer)
		for _, l := range found {
			require.NotNil(t, l.Failure)
			assert.Equal(t, event.Refused, l.Failure.State)
			assert.Contains(t, l.Failure.Message, "host key: unknown: the host shows ssh-ed25519 SHA256:")
			assert.Contains(t, l.Failure.Hint, "then run: ssh -F "+w.config+" "+l.Host)
			assert.Contains(t, l.Failure.Hint, "host_key: \"SHA256:")
		}
		assert.Equal(t, []int{1, 1}, w.connections())
		assert.NoFileExists(t, known)
	}
}

func TestAChangedHostKeyIsNotAskedAbout(t *testing.T) {
	t.Parallel()
	w, known := strangers(t, 2)
	// web1 is known with the key of another host.
	const other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ5yk3nPVdnIIBmhvVfVvqoRVIrjsBnW7/yBqkvnP1wT"
	require.NoError(t, os.WriteFile(known, []byte("web1 "+other+"\n"), 0o600))
	found, questions := w.meet(t, 0, yes)
	assert.Equal(t, [][]string{{"web2"}}, questions)
	require.NotNil(t, found[0].Failure)
	assert.Contains(t, found[0].Failure.Message, "host key: changed")
	assert.Nil(t, found[1].Failure)
}

// The step begins once and ends once, however often the host was dialed.
func TestAskingAboutAKeyIsOneStep(t *testing.T) {
	t.Parallel()
	w, _ := strangers(t, 1)
	var events []event.Event
	dialer := &sshx.Dialer{}
	f := w.deployer(dialer, func(e event.Event) { events = append(events, e) })
	f.Fleet.AskKeys = func(context.Context, []*sshx.HostKeyError) bool { return true }
	plan := push(t, "1.0")
	plan.Stage.Name, plan.Hosts, plan.DryRun = stageNamed(t, "staging"), w.hosts, true
	assert.Equal(t, event.Succeeded, f.Run(t.Context(), plan).Outcome)
	require.NoError(t, dialer.Close())
	var states []event.State
	var notices []string
	for _, e := range events {
		if e.Step == event.StepConnect {
			states = append(states, e.State)
		}
		if e.Type == event.TypeNotice {
			notices = append(notices, e.Host+": "+e.Message)
		}
	}
	assert.Equal(t, []event.State{event.Started, event.Done}, states)
	require.Len(t, notices, 1)
	assert.Contains(t, notices[0], "web1: added its host key to known_hosts: ssh-ed25519 SHA256:")
}

// The hosts behind an unknown jump host show their keys only when that is known, so there are two
// questions, and the jump host is in the first.
func TestAnUnknownJumpHostIsAskedAboutBeforeTheHostsBehindIt(t *testing.T) {
	t.Parallel()
	w, known := strangers(t, 3)
	config, err := os.ReadFile(w.config)
	require.NoError(t, err)
	key := filepath.Join(filepath.Dir(w.config), "web1", "key")
	private, err := os.ReadFile(key)
	require.NoError(t, err)
	signer, err := ssh.ParsePrivateKey(private)
	require.NoError(t, err)
	bastion, err := sshtest.Start(sshtest.Options{Home: t.TempDir(), Forward: true, AuthorizedKeys: []ssh.PublicKey{signer.PublicKey()}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, bastion.Close()) })
	text := fmt.Sprintf("Host web*\n ProxyJump bastion\nHost bastion\n HostName 127.0.0.1\n Port %d\n User jump\n IdentityFile %s\n%s", bastion.Port(), key, config)
	require.NoError(t, os.WriteFile(w.config, []byte(text), 0o600))

	found, questions := w.meet(t, 0, yes)

	for _, l := range found {
		assert.Nil(t, l.Failure)
	}
	assert.Equal(t, [][]string{{"bastion"}, {"web1", "web2", "web3"}}, questions)
	assert.Equal(t, 2, bastion.Record().Connections, "one on which the key was seen, and one for everything else")
	written, err := os.ReadFile(known)
	require.NoError(t, err)
	assert.Equal(t, 4, strings.Count(string(written), "\n"))
}
