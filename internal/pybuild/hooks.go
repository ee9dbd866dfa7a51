package pybuild

import (
	"context"
	_ "embed" // for hooksScript
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

//go:embed hooks.py
var hooksScript string

// hook is a call of one hook of a build backend.
type hook struct {
	kind   string // sdist, wheel or editable
	source string // the project's directory, absolute
	out    string // the directory for what is built
	// name is what errors call it, with the interpreter of the environment.
	name func(python string) string
	hint string // to see its failure without kis
}

func (h hook) hintFor(python string) string {
	if h.hint != "" {
		return h.hint
	}
	return "to see it without kis, run in the project's directory: " + h.name(python)
}

// hookAnswer is what hooksScript writes.
type hookAnswer struct {
	Requires []string `json:"requires"`
	Missing  []string `json:"missing"`
	Lacks    string   `json:"lacks"`
	Built    string   `json:"built"`
}

// errNoHook means that the backend lacks an optional hook.
var errNoHook = errors.New("the build backend lacks the hook")

// call calls the hook in a private build environment with all that the project and its backend
// require. What that was is remembered: the next build of a project with the same pyproject.toml
// and setup.py starts one interpreter, and asks no index.
func (b *builder) call(ctx context.Context, base interpreter, h hook) error {
	memoryFile, err := b.memoryFile(base, h)
	if err != nil {
		return err
	}
	requires, remembered := recall(memoryFile)
	if !remembered {
		if requires, err = b.resolve(ctx, base, h); err != nil {
			return err
		}
	}
	python, err := b.buildIn(ctx, base, requires, h)
	if err != nil && remembered && ctx.Err() == nil && !errors.Is(err, errNoHook) {
		// A backend may require more although these files have not changed.
		again, failed := b.resolve(ctx, base, h)
		if failed != nil {
			return err
		}
		if now, failed := b.environment(ctx, base, again); failed != nil || now == python {
			return err
		}
		requires = again
		_, err = b.buildIn(ctx, base, requires, h)
	}
	if err == nil {
		remember(memoryFile, requires)
	}
	return err
}

// buildIn calls the hook in the environment with some requirements, and returns its interpreter.
func (b *builder) buildIn(ctx context.Context, base interpreter, requires []string, h hook) (string, error) {
	answer, python, err := b.inPrivate(ctx, base, requires, "build", h)
	switch {
	case err != nil && answer.Lacks != "":
		return python, fmt.Errorf("%w %s", errNoHook, answer.Lacks)
	case err == nil && answer.Built == "":
		return python, &Error{Command: h.name(python), Err: errors.New("it ended before the hook returned")}
	}
	return python, err
}

// maxRounds bounds how often a backend finds that it needs more: those of pyproject.toml first,
// then those of its hook, which may add some once it has these.
const maxRounds = 6

// resolve returns the requirements whose environment has all that the project's build requires;
// none where buildTools are sufficient.
func (b *builder) resolve(ctx context.Context, base interpreter, h hook) ([]string, error) {
	var requires []string
	discarded := false
	for range maxRounds {
		answer, python, err := b.inPrivate(ctx, base, requires, "requires", h)
		switch {
		case err != nil:
			return nil, err
		case len(answer.Missing) == 0:
			return requires, nil
		case !slices.Equal(answer.Requires, requires):
			requires = answer.Requires
		case !discarded: // something was removed from it
			discarded = true
			if err := discard(python); err != nil {
				return nil, err
			}
		default:
			return nil, &environmentError{&Error{
				Command: python + " -m pip install " + strings.Join(requires, " "), Hint: "check pip's configuration: pip config list",
				Err: fmt.Errorf("it succeeded, and the private build environment lacks %s", strings.Join(answer.Missing, ", ")),
			}}
		}
	}
	return nil, &Error{Err: fmt.Errorf("the build backend always requires more: %s", strings.Join(requires, ", "))}
}

// inPrivate runs hooksScript in a private build environment, which is made again if it does not
// work any more.
func (b *builder) inPrivate(ctx context.Context, base interpreter, requires []string, mode string, h hook) (hookAnswer, string, error) {
	for attempt := 0; ; attempt++ {
		python, err := b.environment(ctx, base, requires)
		if err != nil {
			return hookAnswer{}, "", err
		}
		answer, works, err := b.runHooks(ctx, python, mode, h)
		if works || attempt > 0 || ctx.Err() != nil {
			return answer, python, err
		}
		b.say("the private build environment does not work any more: " + err.Error())
		if err := discard(python); err != nil {
			return hookAnswer{}, "", err
		}
	}
}

// runHooks runs hooksScript. The environment works if the script got as far as to say so.
func (b *builder) runHooks(ctx context.Context, python, mode string, h hook) (answer hookAnswer, works bool, err error) {
	file := filepath.Join(b.temp, "answer")
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return hookAnswer{}, true, err
	}
	private := b.run
	private.env = inEnvironment(privateEnviron(b.run.env), filepath.Dir(python))
	err = private.run(ctx, command{
		args: []string{python, "-I", "-u", "-B", "-c", hooksScript, mode, h.kind, h.source, h.out, file},
		name: h.name(python),
		dir:  filepath.Join(b.temp, "work"),
		hint: h.hintFor(python),
	})
	data, missing := os.ReadFile(file)
	if missing != nil {
		if err == nil {
			err = &Error{Command: h.name(python), Err: errors.New("it ended without an answer")}
		}
		return hookAnswer{}, false, err
	}
	if bad := json.Unmarshal(data, &answer); bad != nil && err == nil {
		err = &Error{Command: h.name(python), Err: fmt.Errorf("its answer: %w", bad)}
	}
	return answer, true, err
}
