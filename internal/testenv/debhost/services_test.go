package debhost_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/internal/testenv/debhost"
	"github.com/keep-it-simple/kis/remote"
)

// agentOn starts the agent on a host as the deploying user, and takes the lock of a stage.
func agentOn(t *testing.T, h *debhost.Host, of string) (*remote.Agent, name.Stage, name.Run) {
	t.Helper()
	ssh := h.Command(t.Context(), debhost.User, remote.Command(name.Python3(), name.User{}))
	in, err := ssh.StdinPipe()
	require.NoError(t, err)
	out, err := ssh.StdoutPipe()
	require.NoError(t, err)
	problems, err := ssh.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, ssh.Start())
	agent, err := remote.Start(t.Context(), remote.Streams{In: in, Out: out, Err: problems})
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = agent.Close()
		_ = ssh.Wait()
	})
	require.NoError(t, agent.Open(t.Context(), "/var/webcode"))
	stage, run := stageOf(t, of), name.NewRun()
	_, err = agent.Lock(t.Context(), stage, run, remote.Holder{Who: "ann@laptop"})
	require.NoError(t, err)
	return agent, stage, run
}

func stageOf(t *testing.T, text string) name.Stage {
	t.Helper()
	stage, err := name.ParseStage(text)
	require.NoError(t, err)
	return stage
}

func servicesOf(t *testing.T, units []string) []remote.Service {
	t.Helper()
	var all []remote.Service
	for _, text := range units {
		unit, err := name.ParseUnit(text)
		require.NoError(t, err)
		all = append(all, remote.Service{Unit: unit})
	}
	return all
}

// TestServicesAreRestartedAndWaitedFor on a real systemd: success is what the unit is afterwards, not what systemctl said.
func TestServicesAreRestartedAndWaitedFor(t *testing.T) {
	for _, suite := range []debhost.Suite{debhost.Bullseye, debhost.Bookworm, debhost.Trixie} {
		h := debhost.New(t, suite, 1)[0]
		h.Write(t, "/etc/sudoers.d/kis", "deploy ALL=(root) NOPASSWD: "+strings.Join([]string{
			"/usr/bin/systemctl restart good.service", "/usr/bin/systemctl restart ends.service", "/usr/bin/systemctl restart loops.service",
			"/usr/bin/systemctl restart leaves.service", "/usr/bin/systemctl restart once.service", "/usr/bin/systemctl restart mended.service", "/usr/bin/systemctl restart limited.service", "/usr/bin/systemctl restart refuses.service",
		}, ", ")+"\n", 0o440)
		for unit, text := range map[string]string{
			"good":    "ExecStart=/bin/sleep 1000",
			"secret":  "ExecStart=/bin/sleep 1000",
			"ends":    "ExecStart=/bin/sh -c 'echo a broken setting; exit 3'",
			"loops":   "ExecStart=/bin/sh -c 'echo again; exit 3'\nRestart=always\nRestartSec=100ms",
			"leaves":  "ExecStart=/bin/sh -c 'sleep 1001 & exec sleep 1002'\nKillMode=process",
			"once":    "Type=oneshot\nExecStart=/bin/true",
			"mended":  "ExecStart=/bin/sh -c 'test ! -e /run/broken || exit 3; exec sleep 1003'\nRestart=on-failure\nRestartSec=3s",
			"limited": "ExecStart=/bin/sh -c 'test ! -e /run/broken || exit 3; exec sleep 1004'\nRestart=on-failure\nRestartSec=50ms",
			"refuses": "Type=forking\nExecStart=/bin/sh -c 'exit 1'",
		} {
			h.Write(t, "/etc/systemd/system/"+unit+".service", "[Service]\n"+text+"\n", 0o644)
		}
		h.Shell(t, "systemctl daemon-reload; systemctl start good leaves; usermod -aG systemd-journal deploy")
		before := h.Shell(t, "systemctl show -p MainPID --value good")
		agent, stage, run := agentOn(t, h, "staging")
		restart := func(units ...string) error {
			return agent.RestartServices(t.Context(), stage, run, servicesOf(t, units), 20*time.Second)
		}
		obstacles := func(units ...string) []string {
			facts, err := agent.Check(t.Context(), remote.CheckRequest{Stage: stage, Services: servicesOf(t, units)})
			require.NoError(t, err)
			var codes []string
			for _, p := range facts.Services {
				codes = append(codes, string(p.Code)+" "+p.Message)
			}
			return codes
		}
		assert.Empty(t, obstacles("good", "ends"))
		h.Write(t, "/etc/systemd/system/moved.service", "[Service]\nExecStart=/var/webcode/staging/.venv/bin/x /opt/var/webcode/current\nWorkingDirectory=/var/webcode/shared\n", 0o644)
		h.Write(t, "/etc/systemd/system/old.service", "[Service]\nExecStart=/var/webcode/staging/.venv/bin/x\nWorkingDirectory=/var/webcode/current\n", 0o644)
		h.Shell(t, "systemctl daemon-reload")
		assert.Equal(t, []string{
			"other-place old.service works in /var/webcode/current, not in /var/webcode/staging",
			"no-sudo sudo does not let this user restart moved.service", "no-sudo sudo does not let this user restart old.service",
		}, obstacles("moved", "old"))
		assert.Equal(t, []string{
			"no-sudo sudo does not let this user restart secret.service",
			"no-unit systemd has no unit absent.service", "no-sudo sudo does not let this user restart absent.service",
		}, obstacles("good", "secret", "absent"))
		require.NoError(t, restart("good", "once"))
		assert.NotEqual(t, before, h.Shell(t, "systemctl show -p MainPID --value good"))
		for unit, want := range map[string]struct{ code, message, hint string }{
			"secret":  {"no-sudo", "sudo does not let this user restart secret.service", "add to sudoers: deploy ALL=(root) NOPASSWD: /usr/bin/systemctl restart secret.service"},
			"absent":  {"no-unit", "systemd has no unit absent.service", "see: systemctl status absent.service"},
			"ends":    {"not-active", "ends.service has failed (exit-code)", "see: systemctl status ends.service; journalctl -u ends.service -n 50"},
			"loops":   {"not-active", "loops.service fails and is restarted again and again", "see: systemctl status loops.service; journalctl -u loops.service -n 50"},
			"refuses": {"not-active", "refuses.service: sudo -n systemctl restart refuses.service: exit status 1", "see: systemctl status refuses.service; journalctl -u refuses.service -n 50"},
		} {
			err := restart(unit)
			var refused *remote.Refused
			require.ErrorAs(t, err, &refused, unit)
			assert.Equal(t, want, struct{ code, message, hint string }{string(refused.Code), refused.Message, refused.Hint}, unit)
			if unit == "ends" {
				assert.Contains(t, strings.Join(refused.Tail, "\n"), "a broken setting")
			}
		}
		// As a rollback finds them: the version before does not start, and systemd starts it again, or has given up.
		h.Shell(t, "touch /run/broken; systemctl start mended limited; until systemctl is-failed -q limited && test $(systemctl show -p NRestarts --value mended) -gt 0; do sleep .1; done; rm /run/broken")
		require.NoError(t, restart("mended"))
		require.NoError(t, agent.RestartServices(t.Context(), stage, run, servicesOf(t, []string{"limited"}), time.Minute))
		state, err := agent.State(t.Context(), remote.StateRequest{Services: servicesOf(t, []string{"good", "ends", "once", "loops", "absent"})})
		require.NoError(t, err)
		states := map[string]string{}
		for _, s := range state.Services {
			states[s.Name] = s.State
			if s.State == "active" {
				assert.Less(t, *s.Seconds, 600.0, "since this test restarted it")
			}
		}
		assert.Contains(t, []string{"activating", "active", "failed"}, states["loops.service"], "it starts again and again, until systemd gives up")
		delete(states, "loops.service")
		assert.Equal(t, map[string]string{"good.service": "active", "ends.service": "failed", "once.service": "inactive", "absent.service": "missing"}, states)
		// A systemd that does not answer fails no status.
		h.Shell(t, "mv /usr/bin/systemctl /usr/bin/systemctl.real; printf '#!/bin/sh\ntest \"$1\" != show || exec sleep 300\nexec systemctl.real \"$@\"\n' >/usr/bin/systemctl; chmod 755 /usr/bin/systemctl")
		state, err = agent.State(t.Context(), remote.StateRequest{Services: servicesOf(t, []string{"good", "ends", "once", "loops", "absent"})})
		require.NoError(t, err)
		require.Len(t, state.Services, 5)
		for _, s := range state.Services {
			assert.Equal(t, "unknown", s.State)
		}
		h.Shell(t, "mv /usr/bin/systemctl.real /usr/bin/systemctl")
		h.Shell(t, "gpasswd -d deploy systemd-journal")
		var silent *remote.Refused
		fresh, _, other := agentOn(t, h, "production")
		require.ErrorAs(t, fresh.RestartServices(t.Context(), stageOf(t, "production"), other, servicesOf(t, []string{"ends"}), 20*time.Second), &silent)
		assert.Contains(t, silent.Hint, "to see its log here: sudo usermod -aG systemd-journal deploy")
		// Within the time for all units it would be waited for in vain.
		bounded, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		err = agent.RestartServices(bounded, stage, run, servicesOf(t, []string{"leaves"}), 10*time.Minute)
		cancel()
		assert.ErrorContains(t, err, "leaves.service still runs processes that it had before: sleep (")
	}
}
