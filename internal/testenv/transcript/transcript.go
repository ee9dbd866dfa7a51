// Package transcript runs transcripts of kis: what a user types, and what kis answers. A transcript is
// a script of package testscript, a .txtar file below testdata of the package that is tested. Its
// files are in the directory where kis is run. It has the commands of testscript, such as stdout,
// stderr, cmp, cp and exec, and these:
//
//	kis [STATUS] ARG... [=> PACKAGE [HOST...]]
//		Run kis, which has to end with the exit status, 0 unless another is given. The oracle judges
//		it: it links the package on these hosts, by default on all of them, and nothing on others.
//		A refusal, 2 or 3, has to fit on one screen; of a push, link or rollback, 3 has to say that
//		no link was changed.
//	hosts N [bare]
//		Start the hosts web1 to webN, and write an inventory with them as stage staging, unless there
//		is one. Their repositories are empty if bare; else they have the pip of an earlier push.
//	sample VERSION
//		Make the project the sample application, whose name is hello.
//	sdist [VERSION]
//		Build the source distribution of the sample application as $SDIST, after changing its version.
//	install [VERSION]
//		Do what sdist does, and have it installed on all hosts, as by a push without a link, but sooner.
//	wheels VARIABLE REQUIREMENT...
//		Have a directory with the wheels of requirements, and its path in a variable.
//	on HOST TEXT
//		Run shell text on a host, as root. What it writes outside of /home, /run and /var is written
//		to this machine. Here and below, HOST is a name, several with commas, or all.
//	poweroff HOST, boot HOST
//		Cut the power of a host; start it, without what was mounted there.
//	disk HOST OPTIONS
//		Mount a disk, with these options of tmpfs, at the repository of a host.
//	rekey HOST
//		Give a host another host key.
//	alias NAME HOST
//		Have a name lead to another host.
//	mute NAME
//		Have a name lead to a port that accepts connections and sends nothing.
//	links TARGET...
//		Check what the stage of the last kis is linked to, host by host; - is no link.
//	unchanged
//		Check that the last kis has changed nothing in the repositories of all hosts.
//	steps [STEP...]
//		Check which steps the last kis has begun on any host. It was run with -o json.
//	within DURATION
//		Check that the last kis took no longer.
//
// With hosts, $KNOWN_HOSTS is the known_hosts file. Git commits as an author of the tests.
package transcript

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/testenv"
)

// Run runs the transcripts below testdata whose paths match a pattern, in parallel. Ids of faults in
// the name of the test are those of its transcripts, whose comments begin with them: "# C3, C4: ".
func Run(t *testing.T, pattern string) {
	t.Helper()
	run(t, pattern, testenv.Binary())
}

// RunItself is Run in the tests of the command: their program is kis when its name is kis.
func RunItself(t *testing.T, pattern string) {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	kis := filepath.Join(t.TempDir(), "kis")
	require.NoError(t, os.Symlink(program, kis))
	run(t, pattern, kis)
}

// run is Run with a kis.
func run(t *testing.T, pattern, kis string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", pattern))
	require.NoError(t, err)
	require.NotEmpty(t, files, "no transcript is %s", pattern)
	_, ids, _ := strings.Cut(t.Name(), "_")
	require.ElementsMatch(t, strings.FieldsFunc(ids, func(r rune) bool { return r == '_' }), faults(t, files), "the ids in the name of the test, and those in its transcripts")
	deadline, _ := t.Deadline()
	testscript.RunT(subtests{t}, testscript.Params{
		Files: files, Deadline: deadline, Cmds: commands(), RequireUniqueNames: true,
		Setup: func(e *testscript.Env) error { return setup(e, kis) },
	})
}

// faults are the ids of faults with which comments of transcripts begin.
func faults(t *testing.T, files []string) []string {
	t.Helper()
	var ids []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, found := range regexp.MustCompile(`(?m)^# ((?:[A-Z]\d+(?:, |: ))+)`).FindAllStringSubmatch(string(text), -1) {
			ids = append(ids, strings.FieldsFunc(found[1], func(r rune) bool { return strings.ContainsRune(",: ", r) })...)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// subtests are those of a *testing.T, as testscript wants them.
type subtests struct{ *testing.T }

// Run runs one script.
func (s subtests) Run(name string, script func(testscript.T)) {
	s.T.Run(name, func(t *testing.T) { script(subtests{t}) })
}

// Verbose reports whether scripts that pass are logged, too.
func (s subtests) Verbose() bool { return testing.Verbose() }

// script is a script that is run. It is for one goroutine.
type script struct {
	*testenv.Env

	ts     *testscript.TestScript
	last   testenv.Result // of kis
	before string         // the repositories of all hosts before that
}

// key is that of the script among the values of testscript.
type key struct{}

// setup has the script, and so kis, run in an environment without hosts.
func setup(e *testscript.Env, kis string) error {
	t := e.T().(subtests).T
	s := &script{Env: testenv.At(t, e.WorkDir, nil)}
	s.Program = kis
	e.Values[key{}] = s
	e.Vars = append(append(e.Vars, s.Environ()...), "TMPDIR="+os.TempDir(), "EMAIL=ann@example.com")
	return nil
}

// commands are those that testscript does not have.
func commands() map[string]func(ts *testscript.TestScript, neg bool, args []string) {
	all := map[string]func(ts *testscript.TestScript, neg bool, args []string){}
	for name, run := range map[string]func(s *script, args []string){
		"kis": (*script).kis, "links": (*script).links, "unchanged": (*script).unchanged, "steps": (*script).steps,
		"within": (*script).within, "hosts": (*script).hosts, "sample": (*script).sample, "sdist": (*script).sdist,
		"install": (*script).install, "wheels": (*script).wheels, "alias": (*script).alias, "mute": (*script).mute, "on": each((*script).on, 1),
		"disk": each((*script).disk, 1), "poweroff": each((*script).poweroff, 0), "boot": each((*script).boot, 0),
		"rekey": each((*script).rekey, 0),
	} {
		all[name] = func(ts *testscript.TestScript, neg bool, args []string) {
			if neg {
				ts.Fatalf("%s: there is no ! for it", name)
			}
			s := ts.Value(key{}).(*script)
			s.ts = ts
			run(s, args)
			if s.T.Failed() {
				ts.Fatalf("%s has failed", name)
			}
		}
	}
	return all
}

// want ends the script unless a command has at least so many arguments, and at most so many.
func (s *script) want(args []string, least, most int) {
	if len(args) < least || len(args) > most {
		s.ts.Fatalf("it has %d arguments: see package transcript", len(args))
	}
}
