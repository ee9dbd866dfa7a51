// Command matrix runs every test that docs/faults.md names, with the flag -everything where a package has it, and prints a line for each row of
// that document. It ends with 1 when a test has failed or has not run. Run it in the top folder of the module: make faults.
package main

import (
	"bufio"
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

	"github.com/keep-it-simple/kis/internal/faults"
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
	outcomes := map[string]string{} // test → pass or fail
	for _, folder := range folders(rows) {
		if err := testFolder(ctx, out, folder, rows, outcomes); err != nil {
			return fmt.Errorf("%s: %w", folder, err)
		}
	}
	return tell(out, rows, outcomes)
}

// folders are the packages that have tests in the matrix.
func folders(rows []faults.Row) []string {
	var all []string
	for _, r := range rows {
		for _, t := range r.Tests {
			all = append(all, t.Folder)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// event is what `go test -json` says of a test.
type event struct {
	Action string
	Test   string
	Output string
}

// testFolder runs the tests of one package that the matrix names. A test that fails is an outcome, not an error.
func testFolder(ctx context.Context, out io.Writer, folder string, rows []faults.Row, outcomes map[string]string) error {
	args, err := arguments(folder, rows)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Stderr = out
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
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			_, _ = fmt.Fprintln(out, lines.Text())
			continue
		}
		switch e.Action {
		case "output":
			said[e.Test] = append(said[e.Test], e.Output)
		case "pass", "fail", "skip":
			outcomes[folder+"."+e.Test] = e.Action
			if e.Action == "fail" {
				_, _ = fmt.Fprintf(out, "%s %s\n%s", folder, e.Test, strings.Join(said[e.Test], ""))
			}
			delete(said, e.Test)
		}
	}
	var failed *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &failed) {
		return err
	}
	return errors.Join(lines.Err(), ctx.Err())
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
	args := []string{"test", "-json", "-race", "-timeout", "20m", "-run", "^(" + strings.Join(names, "|") + ")$", "./" + folder}
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
func tell(out io.Writer, rows []faults.Row, outcomes map[string]string) error {
	bad := 0
	for _, r := range rows {
		var names, wrong []string
		for _, t := range r.Tests {
			names = append(names, t.String())
			if outcome := outcomes[t.String()]; outcome != "pass" {
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
		if _, err := fmt.Fprintf(out, "%-4s %-6s %s | %s\n", r.ID, state, r.Fault, where); err != nil {
			return err
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d rows failed", bad, len(rows))
	}
	return nil
}

func orNotRun(outcome string) string {
	if outcome == "" {
		return "did not run"
	}
	return outcome
}
