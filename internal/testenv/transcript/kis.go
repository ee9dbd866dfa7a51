package transcript

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
	"github.com/keep-it-simple/kis/internal/testenv/oracle"
)

// expected is what a run of kis has to come to.
type expected struct {
	exit  int
	to    string   // the package that it links
	hosts []string // and where; nil for all hosts
	args  []string // of kis
}

// parse reads the arguments of the command kis.
func (s *script) parse(args []string) expected {
	e := expected{args: args}
	if len(args) == 0 {
		return e
	}
	if number, err := strconv.Atoi(args[0]); err == nil {
		e.exit, e.args = number, args[1:]
	}
	if arrow := slices.Index(e.args, "=>"); arrow >= 0 {
		result := e.args[arrow+1:]
		s.want(result, 1, 1+len(s.Hosts))
		e.args, e.to, e.hosts = e.args[:arrow], result[0], result[1:]
		if len(e.hosts) > 0 {
			s.named(strings.Join(e.hosts, ","))
		}
	}
	return e
}

// kis runs kis under the eyes of the oracle. Hosts whose stage kis would not have made, which the
// oracle does not judge, have to stay as they are.
func (s *script) kis(args []string) {
	e := s.parse(args)
	s.Stage = stage(e.args)
	var watches []func()
	for _, h := range s.Hosts {
		one := s.On(h.Name)
		if !s.managed(h) {
			before := one.Trees()
			watches = append(watches, func() { assert.Equal(s.T, before, one.Trees(), "%s: the stage is not managed by kis", h.Name) })
			continue
		}
		watch, to := oracle.Start(s.T, s.Stage, one.OracleHosts()...), e.to
		if len(e.hosts) > 0 && !slices.Contains(e.hosts, h.Name) {
			to = ""
		}
		watches = append(watches, func() { watch.Check(oracle.Expect{Exit: e.exit, To: to, Gone: removed(e.args)}) })
	}
	s.before = s.Trees()
	s.execute(e.args)
	if s.last.Exit != e.exit {
		s.ts.Fatalf("exit status %d, not %d", s.last.Exit, e.exit)
	}
	for _, check := range watches {
		check()
	}
	s.judge(e)
}

// stage is the one that a command changes, else that of most transcripts.
func stage(args []string) string {
	if changesLinks(args) && len(args) > 1 && args[1] != "" && !strings.HasPrefix(args[1], "-") {
		return args[1]
	}
	return "staging"
}

// changesLinks reports whether a command changes the links of a stage, which it names first.
func changesLinks(args []string) bool {
	return len(args) > 0 && slices.Contains([]string{"push", "link", "rollback"}, args[0]) && !slices.Contains(args, "--dry-run")
}

// removed are the packages that a command may remove, by name.
func removed(args []string) []string {
	if len(args) > 0 && args[0] == "remove" {
		return args[1:]
	}
	return nil
}

// managed reports whether the stage of a host is as kis leaves it: absent, or a link to a package.
func (s *script) managed(h *hosttest.Host) bool {
	target, err := os.Readlink(filepath.Join(s.Root(h), s.Stage))
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	_, err = os.Stat(filepath.Join(s.Root(h), target, ".kis", "receipt.json"))
	return err == nil && !filepath.IsAbs(target)
}

// execute runs kis as a command of the script: its output is for stdout, stderr and cmp.
func (s *script) execute(args []string) {
	cmd := s.Command(s.T.Context(), args...)
	begin := time.Now()
	err := s.ts.Exec(cmd.Args[0], cmd.Args[1:]...)
	s.last = testenv.Result{Out: s.ts.ReadFile("stdout"), Err: s.ts.ReadFile("stderr"), Took: time.Since(begin)}
	if exited, ended := errors.AsType[*exec.ExitError](err); ended {
		s.last.Exit = exited.ExitCode()
		return
	}
	s.ts.Check(err)
}

// judge checks what holds of every run.
func (s *script) judge(e expected) {
	s.Judge(s.last)
	if strings.HasPrefix(s.last.Out, "{") {
		if all := s.last.Events(s.T); all[len(all)-1].Type == "report" {
			s.last.Report(s.T)
		}
		return
	}
	if e.exit == 2 {
		assert.Empty(s.T, s.last.Out, "only the error is printed")
	}
	if e.exit == 2 || e.exit == 3 {
		assert.LessOrEqual(s.T, strings.Count(s.last.Err, "\n"), 20, "a refusal and its remedy fit on one screen")
	}
	if e.exit == 3 && changesLinks(e.args) {
		assert.Contains(s.T, s.last.Err, "kis: aborted before link: no stage link was changed\n")
	}
}

func (s *script) links(args []string) {
	s.want(args, len(s.Hosts), len(s.Hosts))
	for i, target := range s.Links() {
		if target == "" {
			target = "-"
		}
		assert.Equal(s.T, args[i], target, "%s: %s", s.Hosts[i].Name, s.Stage)
	}
}

func (s *script) unchanged(args []string) {
	s.want(args, 0, 0)
	require.NotEmpty(s.T, s.before, "there are no hosts, or kis was not run")
	assert.Equal(s.T, s.before, s.Trees())
}

func (s *script) steps(args []string) {
	assert.Equal(s.T, args, s.last.Steps(s.T))
}

func (s *script) within(args []string) {
	s.want(args, 1, 1)
	limit, err := time.ParseDuration(args[0])
	s.ts.Check(err)
	assert.Less(s.T, s.last.Took, limit)
}
