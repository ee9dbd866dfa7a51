// Command matrix runs every test that docs/faults.md names, with the flag -everything where a package has it, and prints a line for each row of
// that document. It ends with 1 when a test has failed or has not run. Run it in the top folder of the module: make faults.
package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/keep-it-simple/kis/internal/faults"
	"github.com/keep-it-simple/kis/internal/site"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt) //nolint:forbidigo // this is main
	defer stop()
	err := run(ctx, os.Stdout) //nolint:forbidigo // this is main
	if err != nil {
		fmt.Fprintln(os.Stderr, "matrix:", err) //nolint:forbidigo // this is main
		stop()
		os.Exit(1) //nolint:forbidigo,gocritic // this is main; stop has been called
	}
}

func run(ctx context.Context, out io.Writer) error {
	text, err := os.ReadFile(filepath.Join("docs", "faults.md"))
	if err != nil {
		return err
	}
	rows, err := faults.Parse(string(text))
	if err != nil {
		return fmt.Errorf("docs/faults.md: %w", err)
	}
	m := &matrix{rows: rows, out: out, outcomes: map[string]string{}}
	if err := m.test(ctx); err != nil {
		return err
	}
	return m.tell()
}

// matrix is what is known of the rows. Its fields are guarded by mu while tests run.
type matrix struct {
	rows []faults.Row

	mu       sync.Mutex
	out      io.Writer
	outcomes map[string]string // test → pass, fail or skip
}

// atOnce is how many packages are tested at a time: most tests of faults wait.
const atOnce = 3

// longest are the packages that take minutes, in the order in which they are begun: one that began last would have the machine for itself.
func longest() []string {
	return []string{"internal/faults", "internal/odd", "internal/crash", "internal/fleet", "internal/e2e"}
}

// test runs the tests of all packages.
func (m *matrix) test(ctx context.Context) error {
	waiting := make(chan string)
	errs := make([]error, atOnce)
	var workers sync.WaitGroup
	for i := range errs {
		workers.Go(func() {
			for folder := range waiting {
				begin := time.Now()
				err := m.testFolder(ctx, folder)
				m.say("%s: tested in %v\n", folder, time.Since(begin).Round(time.Second))
				if err != nil {
					errs[i] = errors.Join(errs[i], fmt.Errorf("%s: %w", folder, err))
				}
			}
		})
	}
	for _, folder := range folders(m.rows) {
		waiting <- folder
	}
	close(waiting)
	workers.Wait()
	return errors.Join(errs...)
}

func (m *matrix) say(format string, arguments ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, _ = fmt.Fprintf(m.out, format, arguments...)
}

// folders are the packages that have tests in the matrix, the longest first.
func folders(rows []faults.Row) []string {
	var all []string
	for _, r := range rows {
		for _, t := range r.Tests {
			all = append(all, t.Folder)
		}
	}
	slices.SortFunc(all, func(a, b string) int { return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b)) })
	return slices.Compact(all)
}

// rank is a folder's place among the longest, or behind them.
func rank(folder string) int {
	if i := slices.Index(longest(), folder); i >= 0 {
		return i
	}
	return len(longest())
}

// event is what `go test -json` says of a test.
type event struct {
	Action string
	Test   string
	Output string
}

// testFolder runs the tests of one package that the matrix names. A test that fails is an outcome, not an error.
func (m *matrix) testFolder(ctx context.Context, folder string) error {
	args, err := arguments(folder, m.rows)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	// The go command does not end the tests when it is ended itself.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.Env = append(os.Environ(), site.PlainVariable+"=1") // make test looks for races; here the time goes into more faults
	cmd.Stderr = os.Stderr                                  //nolint:forbidigo // this is main: what go says of a package that does not build
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	said := map[string][]string{}
	lines := bufio.NewScanner(pipe)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) == nil {
			m.hear(folder, e, said)
		}
	}
	var failed *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &failed) {
		return err
	}
	return errors.Join(lines.Err(), ctx.Err())
}

// hear remembers what a test has said until it is known whether that matters.
func (m *matrix) hear(folder string, e event, said map[string][]string) {
	switch e.Action {
	case "output", "build-output":
		said[e.Test] = append(said[e.Test], e.Output)
		return
	case "pass", "fail", "skip":
	default:
		return
	}
	if e.Action == "fail" {
		m.say("%s %s\n%s", folder, e.Test, strings.Join(said[e.Test], ""))
	}
	delete(said, e.Test)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.outcomes[folder+"."+e.Test] = e.Action
}

// arguments are those of `go test` for the tests of one package.
func arguments(folder string, rows []faults.Row) ([]string, error) {
	var names []string
	for _, r := range rows {
		for _, t := range r.Tests {
			if t.Folder == folder {
				names = append(names, regexp.QuoteMeta(t.Top()))
			}
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	args := []string{"test", "-json", "-vet=off", "-timeout", "30m", "-parallel", "4", "-run", "^(" + strings.Join(names, "|") + ")$", "./" + folder}
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil {
		return nil, err
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		if strings.Contains(string(text), `flag.Bool("everything"`) {
			return append(args, "-args", "-everything"), nil
		}
	}
	return args, nil
}

// tell prints the matrix. A row holds when all of its tests have passed.
func (m *matrix) tell() error {
	bad := 0
	for _, r := range m.rows {
		var names, wrong []string
		for _, t := range r.Tests {
			names = append(names, t.String())
			if outcome := m.outcomes[t.String()]; outcome != "pass" {
				wrong = append(wrong, fmt.Sprintf("%s: %s", t, orNotRun(outcome)))
			}
		}
		state, where := "ok", strings.Join(names, ", ")
		switch {
		case len(wrong) > 0:
			state, where = "FAILED", strings.Join(wrong, ", ")
			bad++
		case len(names) == 0:
			state, where = "-", r.Why
		}
		if _, err := fmt.Fprintf(m.out, "%-4s %-6s %s | %s\n", r.ID, state, r.Fault, where); err != nil {
			return err
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d rows failed", bad, len(m.rows))
	}
	return nil
}

func orNotRun(outcome string) string {
	if outcome == "" {
		return "did not run"
	}
	return outcome
}
