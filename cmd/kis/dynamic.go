package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/keep-it-simple/kis/internal/dynamic"
	"github.com/keep-it-simple/kis/internal/safetext"
	"github.com/keep-it-simple/kis/internal/ui"
	"github.com/keep-it-simple/kis/sshx"
)

// allowDynamic is the environment variable that allows a command of `dynamic` where nobody can be
// asked. Its value is the command, so that a changed inventory runs no other.
const allowDynamic = "KIS_ALLOW_DYNAMIC"

// runDynamic runs the command of an inventory, if the user has allowed it.
func (a *app) runDynamic(ctx context.Context, dir, text string) ([]byte, error) {
	c, allowed, err := a.dynamicCommand(dir, text)
	if err != nil {
		return nil, err
	}
	if err := allow(ctx, c, allowed, os.Getenv(allowDynamic), a.ui.Prompt()); err != nil {
		return nil, err
	}
	defer a.ui.Waiting("running " + c.String())()
	output, err := c.Run(ctx)
	if err == nil {
		_ = allowed.Remember(c, output) // for completion, which does without
	}
	return output, err
}

// rememberedNames are the hosts and groups that the command has printed the last time. It does not run.
func (a *app) rememberedNames(dir, text string) ([]byte, error) {
	c, allowed, err := a.dynamicCommand(dir, text)
	if err != nil {
		return nil, err
	}
	return allowed.Names(c)
}

// dynamicCommand is a command of an inventory, and where this machine remembers it.
func (a *app) dynamicCommand(dir, text string) (dynamic.Command, dynamic.Allowed, error) {
	c, err := dynamic.Parse(dir, text)
	if err != nil {
		return c, "", err
	}
	state, err := a.logs.Below("dynamic")
	return c, dynamic.Allowed(state), err
}

// allow returns nil if the command may run. The user is asked once for each command and directory;
// --yes does not answer, because it is given for questions about a deployment.
func allow(ctx context.Context, c dynamic.Command, allowed dynamic.Allowed, environment string, ask sshx.Prompt) error {
	if environment == c.String() {
		return nil
	}
	before, err := allowed.Has(c)
	if err != nil || before {
		return err
	}
	refused := &ui.Hinted{
		Err:  fmt.Errorf("%s: this command of the inventory has not been allowed to run on this machine", c),
		Help: fmt.Sprintf("run kis at a terminal, which asks once; in CI: export %s=%s", allowDynamic, safetext.Word(c.String())),
	}
	if environment != "" {
		refused.Err = fmt.Errorf("%w; %s allows another one", refused.Err, allowDynamic)
	}
	if ask == nil {
		return refused
	}
	answer, err := ask(ctx, fmt.Sprintf("The inventory takes its hosts from a command. Run it on this machine, now and whenever kis reads the inventory: %s (in %s)? [y/N]", c, c.Dir()), true)
	switch {
	case err != nil:
		return err
	case answer != "y" && answer != "yes":
		return errors.New("the command of the inventory was not allowed to run")
	}
	return allowed.Add(c)
}
