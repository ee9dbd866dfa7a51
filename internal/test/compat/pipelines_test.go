package compat

import (
	"context"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/docpage"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
)

// TestPipelines runs what the examples of docs/ci.md run, as their runners do: bash, the secret in a variable or a file.
func TestPipelines(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(docpage.Dir(t), "ci.md"))
	require.NoError(t, err)
	var github struct {
		Jobs map[string]struct {
			Steps []struct {
				Run string
				Env map[string]string
			}
		}
	}
	block(t, text, "GitHub Actions:", &github)
	var gitlab map[string]any
	block(t, text, "GitLab:", &gitlab)

	w := testenv.New(t, 2, hosttest.Options{})
	w.Inventory(testenv.InventoryText(w.Hosts, "  production: {hosts: [web1, web2]}\n"))
	kis := w.Command(t.Context(), "version")
	p := pipeline{w: w, env: kis.Env, dir: w.Dir}
	p.install(t, kis.Path, text)
	key, err := os.ReadFile(w.Client.Key)
	require.NoError(t, err)

	p.release(t, "0.3")
	for _, job := range []string{"staging", "production"} {
		for _, step := range github.Jobs[job].Steps {
			if step.Run == "" {
				continue
			}
			assert.Contains(t, slices.Collect(maps.Keys(step.Env)), "DEPLOY_KEY")
			p.run(t, step.Run, "DEPLOY_KEY="+strings.TrimSuffix(string(key), "\n"))
		}
		p.linked(t, job, "hello-0.3")
	}
	p.release(t, "0.4")
	for _, job := range []string{"staging", "production"} {
		var lines []string
		for _, part := range []any{gitlab[".kis"].(map[string]any)["before_script"], gitlab[job].(map[string]any)["script"]} { //nolint:forcetypeassert // fails the test
			for _, line := range part.([]any) { //nolint:forcetypeassert // fails the test
				if !strings.Contains(line.(string), "apt-get") { //nolint:forcetypeassert // fails the test
					lines = append(lines, line.(string)) //nolint:forcetypeassert // fails the test
				}
			}
		}
		p.run(t, strings.Join(lines, "\n"), "DEPLOY_KEY_FILE="+w.Client.Key)
		p.linked(t, job, "hello-0.4")
	}
}

// block reads the YAML below a line of a page.
func block(t *testing.T, page []byte, title string, to any) {
	t.Helper()
	found := regexp.MustCompile("(?s)\n" + regexp.QuoteMeta(title) + "\n\n```yaml\n(.*?)```").FindSubmatch(page)
	require.NotNil(t, found, title)
	require.NoError(t, yaml.Unmarshal(found[1], to))
}

// pipeline is a checkout in which a runner works.
type pipeline struct {
	w   *testenv.Env
	env []string
	dir string
}

// install writes the files of the page below deploy, and kis into PATH.
func (p *pipeline) install(t *testing.T, binary string, page []byte) {
	t.Helper()
	config := regexp.MustCompile("(?s)`deploy/ssh_config` in the repository:\n\n```\n(.*?)```").FindSubmatch(page)
	require.NotNil(t, config)
	var hosts strings.Builder
	written, err := os.ReadFile(p.w.Client.Config)
	require.NoError(t, err)
	for line := range strings.Lines(string(written)) { // where the hosts of this test are
		if regexp.MustCompile(`^(Host web|  (HostName|Port|HostKeyAlias) )`).MatchString(line) {
			hosts.WriteString(line)
		}
	}
	known, err := os.ReadFile(p.w.Client.KnownHosts)
	require.NoError(t, err)
	p.w.Write("deploy/ssh_config", hosts.String()+strings.Replace(string(config[1]), "User deploy", "User "+p.w.Hosts[0].User, 1))
	p.w.Write("deploy/known_hosts", string(known))
	bin := t.TempDir()
	require.NoError(t, os.Symlink(binary, filepath.Join(bin, "kis")))
	for i, variable := range p.env {
		if path, ok := strings.CutPrefix(variable, "PATH="); ok {
			p.env[i] = "PATH=" + bin + ":" + path
		}
	}
}

func (p *pipeline) release(t *testing.T, version string) {
	t.Helper()
	p.w.Version(version)
}

// run runs a script as GitHub's runner runs it, and ends the agent that it started.
func (p *pipeline) run(t *testing.T, script, secret string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	bash := exec.CommandContext(ctx, "bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", "trap 'ssh-agent -k >/dev/null' EXIT\n"+script)
	bash.Dir, bash.Env = p.dir, append(slices.Clone(p.env), secret)
	out, err := bash.CombinedOutput()
	t.Logf("%s\n%s", script, out)
	require.NoError(t, err)
}

func (p *pipeline) linked(t *testing.T, stage, to string) {
	t.Helper()
	on := *p.w
	on.Stage = stage
	assert.Equal(t, p.w.All(to), on.Links(), stage)
}
