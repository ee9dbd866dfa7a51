package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/keep-it-simple/kis/internal/ui"
	"github.com/keep-it-simple/kis/inventory"
)

// foreignCommands are words that users of Capistrano, Deployer, Ansible, Fabric and kubectl type, and what it is here.
func foreignCommands() map[string]string {
	const exec = "kis exec STAGE -- COMMAND; a console on one host: kis exec STAGE --hosts HOST -t -- COMMAND"
	return map[string]string{
		"deploy": "kis push STAGE", "release": "kis push STAGE", "upload": "kis push STAGE", "apply": "kis push STAGE", "publish": "kis push STAGE",
		"undo": "kis rollback STAGE", "revert": "kis rollback STAGE",
		"run": exec, "shell": exec, "ssh": exec, "console": exec, "invoke": exec, "command": exec,
		"ping": "kis check STAGE", "doctor": "kis check STAGE; the ssh settings in force: kis hosts -v", "setup": "kis check STAGE says what a host lacks",
		"pending": "kis diff STAGE", "plan": "kis push STAGE --dry-run; what changes: kis diff STAGE", "releases": "kis list STAGE", "ls": "kis list STAGE",
		"get": "kis status STAGE", "ps": "kis status STAGE", "history": "kis log STAGE", "tail": "kis logs STAGE -F", "lock": "every run locks its stage; who holds it: kis unlock STAGE",
		"cleanup": "kis prune STAGE", "delete": "kis remove PACKAGE", "inventory": "kis hosts", "tasks": "kis help",
	}
}

// foreignFlags are the same for flags, without their dashes.
func foreignFlags() map[string]string {
	return map[string]string{
		"limit": "--hosts, or -l", "check": "--dry-run; this machine and the hosts: kis check STAGE", "diff": "kis diff STAGE",
		"tags": "there are no tags: kis help limits", "skip-tags": "there are no tags: kis help limits", "extra-vars": "vars of a host or group, in the inventory", "e": "vars of a host or group, in the inventory",
		"a": "kis exec STAGE -- COMMAND", "m": "kis exec STAGE -- COMMAND", "branch": "--rev REVISION", "revision": "--rev REVISION", "tag": "--rev TAG", "b": "become: in the inventory", "become": "become: in the inventory",
		"u": "ssh: {user: NAME} in the inventory, or User in ssh_config", "user": "ssh: {user: NAME} in the inventory, or User in ssh_config",
		"follow": "-F", "namespace": "the stage is an argument", "H": "--hosts, or -l", "host": "--hosts, or -l", "roles": "--hosts @GROUP",
	}
}

// unknownCommand explains a first word that is no command.
func (a *app) unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if args[0] == "" {
		return &ui.Hinted{Err: errors.New("the command is empty"), Help: "see: kis help"}
	}
	err := fmt.Errorf("there is no command %q", args[0])
	if here := foreignCommands()[args[0]]; here != "" {
		return &ui.Hinted{Err: err, Help: "here it is: " + here}
	}
	if path, failed := a.inventoryFile(); failed == nil {
		if slices.Contains(inventory.Stages(path), args[0]) {
			return &ui.Hinted{Err: err, Help: fmt.Sprintf("%[1]s is a stage; the command comes first: kis push %[1]s", args[0])}
		}
	}
	for _, near := range cmd.SuggestionsFor(args[0]) {
		if near[0] == args[0][0] { // another first letter is another word
			return &ui.Hinted{Err: err, Help: "did you mean: kis " + near}
		}
	}
	return &ui.Hinted{Err: err, Help: "see: kis help"}
}

// foreignFlag is what an unknown flag of another tool is here; "" for none.
func foreignFlag(name string) string {
	if here := foreignFlags()[strings.TrimLeft(name, "-")]; here != "" {
		return "here it is: " + here
	}
	return ""
}

// unknownFlag returns the name of the flag that does not exist, "" for another error.
func unknownFlag(err error) string {
	if missing, ok := errors.AsType[*pflag.NotExistError](err); ok {
		return missing.GetSpecifiedName()
	}
	return ""
}
