package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keep-it-simple/kis/internal/deploy"
	"github.com/keep-it-simple/kis/internal/pybuild"
	"github.com/keep-it-simple/kis/internal/requirements"
	"github.com/keep-it-simple/kis/internal/sdist"
	"github.com/keep-it-simple/kis/internal/ui"
	"github.com/keep-it-simple/kis/inventory"
)

// source says what is to be pushed.
type source struct {
	sdist string        // a file that exists; "" to build one
	rev   string        // a git revision to build; "" for the project as it is
	dev   bool          // name the package by its content
	tree  *pybuild.Tree // the checkout of rev; nil without one
}

func (s *source) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.sdist, "sdist", "", "push this source distribution `file` instead of building one")
	cmd.Flags().StringVar(&s.rev, "rev", "", "build a clean checkout of this git `revision`")
	cmd.Flags().BoolVar(&s.dev, "dev", false, "add git revision and content to the version, so that it need not be bumped")
	cmd.MarkFlagsMutuallyExclusive("sdist", "rev")
}

// close removes the checkout of rev, which has files that hosts get.
func (s *source) close() {
	if s.tree != nil {
		s.tree.Remove()
	}
}

// plan is the part of a plan that says what is installed and how. The caller closes its archive, and
// the source after the run.
func (s *source) plan(ctx context.Context, a *app, inv *inventory.Inventory, v ui.View) (plan deploy.Plan, err error) {
	project, recipe := "", inv.Dir() // the directories of the project, and of what the recipe names
	if s.sdist == "" {
		if project, err = a.projectDir(); err != nil {
			return plan, err
		}
	}
	if s.rev != "" {
		end := a.ui.Waiting("checking out " + s.rev)
		tree, err := pybuild.Checkout(ctx, project, s.rev)
		end()
		if err != nil {
			return plan, fmt.Errorf("--rev: %w", err)
		}
		s.tree = tree
		if err := s.requireProject(project); err != nil {
			return plan, err
		}
		for _, dir := range []*string{&project, &recipe} {
			if *dir, err = tree.At(*dir); err != nil {
				return plan, fmt.Errorf("--rev: %w", err)
			}
		}
	}
	install, err := inv.Expand(os.Getenv)
	if err != nil {
		return plan, err
	}
	end := a.ui.Waiting("reading the requirements")
	plan.Recipe, err = deploy.NewRecipe(ctx, install, inv.Shared(), inv.Prepare(), deploy.Sources{Dir: recipe, Project: project})
	end()
	if err != nil {
		if lines, ok := errors.AsType[requirements.Errors](err); ok {
			return plan, relative(lines)
		}
		return plan, fmt.Errorf("%s: %w", ui.RelativePath(inv.Path()), err)
	}
	for _, notice := range plan.Recipe.Notices {
		v.Say(notice)
	}
	if plan.Archive, plan.Git, err = s.archive(ctx, a, project, inv, v); err != nil {
		return plan, err
	}
	if commit, changed := strings.CutSuffix(plan.Git, "+"); changed && !s.dev {
		v.Say("the project has changes that are not in commit " + commit)
	}
	if s.dev {
		err = plan.Develop()
	}
	plan.Verify, plan.Keep = inv.Verify(), inv.Keep()
	v.Archive(plan.Archive)
	return plan, err
}

// requireProject refuses a revision at which a directory was no project.
func (s *source) requireProject(dir string) error {
	then, err := s.tree.At(dir)
	if err != nil {
		return fmt.Errorf("--rev: %w", err)
	}
	if is, err := pybuild.IsProject(then); is || err != nil {
		return err
	}
	return fmt.Errorf("--rev %s: %s has neither pyproject.toml nor setup.py at that revision", s.rev, dir)
}

// relative names files as a user in the current directory does.
func relative(lines requirements.Errors) requirements.Errors {
	for _, line := range lines {
		line.File = ui.RelativePath(line.File)
	}
	return lines
}

// archive builds the source distribution, or opens the one that was named. git is its revision.
func (s source) archive(ctx context.Context, a *app, project string, inv *inventory.Inventory, v ui.View) (archive *sdist.Archive, git string, err error) {
	if s.sdist != "" {
		defer a.ui.Waiting("reading " + s.sdist)()
		archive, err = sdist.Open(s.sdist)
		return archive, "", err
	}
	defer v.Building()()
	archive, err = pybuild.Build(ctx, pybuild.Options{Dir: project, Builder: string(inv.Build()), Exclude: inv.Path(), Log: v.BuildLog(), Say: v.Say})
	if err != nil {
		return nil, "", err
	}
	return archive, pybuild.Revision(ctx, project, archive), nil
}

// wheelDir is the directory in which the application's wheel is built, as for the project; that of kis where an
// archive was named.
func (s source) wheelDir(a *app) (string, error) {
	if s.sdist != "" {
		return os.Getwd()
	}
	return a.projectDir()
}
