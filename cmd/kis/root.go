package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/keep-it-simple/kis/docs"
	"github.com/keep-it-simple/kis/internal/ui"
)

const rootLong = `kis deploys Python applications by push over SSH.

It builds the source distribution on this machine, uploads it to every host of the stage, builds a
package with its own environment there, and verifies it. Only when every host is ready does it switch
the stage's links, on all hosts at the same time. Old packages are kept, so that a rollback is one
command and takes seconds.

Nothing has to be installed on a host: sshd, a POSIX sh, tar and python3 (3.8 or newer, with venv) are
enough. Try it without any host:  kis demo

Pages about exit-status, inventory, layout, ssh and more:  kis help help`

// exitStatus is part of the help of every command: these are promises.
const exitStatus = `
Exit status:
    0  every targeted host is verified on what was asked (or was already)
    1  a bug in kis; nothing is asserted
    2  usage, inventory or local build error: no host was contacted; or a query could not be printed
    3  aborted before link: every stage link is unchanged
    4  failed at or after link and rolled back: every host is verified on its previous package
    5  hosts differ or are unknown: the table says which; see kis status
    6  another run holds the lock: every stage link is unchanged
  130  interrupted before link, as 3
`

// statusKey is the annotation of a command with an exit status of its own.
const statusKey = "exit status"

// statusOf is the part of a command's help about its exit status.
func statusOf(c *cobra.Command) string {
	if own, some := c.Annotations[statusKey]; some {
		return own
	}
	return exitStatus
}

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:           "kis",
		Short:         "Deploy Python applications by push over SSH",
		Long:          rootLong,
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version(),
		Args:          a.unknownCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	flags := root.PersistentFlags()
	flags.StringVarP(&a.inventoryPath, "inventory", "i", "", "the inventory `file` (default: $KIS_INVENTORY, or inventory.yaml or .yml here or in a parent directory)")
	flags.StringVarP(&a.hosts, "hosts", "l", "", "limit to these hosts: `pattern` such as web1,web2  web*  web[01:04]  @group  !web9")
	_ = root.RegisterFlagCompletionFunc("hosts", a.completeHosts)
	flags.IntVarP(&a.forks, "forks", "f", 0, "hosts that prepare at the same time (default 64)")
	flags.StringVarP(&a.ui.Output, "output", "o", ui.Text, "output format: text or json (one event per line)")
	flags.BoolVarP(&a.ui.AssumeYes, "yes", "y", false, "answer yes to the questions of confirm:, prune, remove and unlock --force; unknown host keys are refused")
	flags.BoolVarP(&a.ui.Quiet, "quiet", "q", false, "print the result only")
	flags.BoolVarP(&a.ui.Verbose, "verbose", "v", false, "print the output of every step as it arrives")
	flags.StringVar(&a.ui.Color, "color", "auto", "color the output: auto, always or never")
	flags.StringVar(&a.project, "project", "", "the `directory` of the Python project (default: the nearest with pyproject.toml or setup.py, from here upwards)")
	flags.StringVar(&a.sshConfig, "ssh-config", "", "the ssh_config `file` (default: the user's and the system's)")
	flags.DurationVar(&a.timeout, "timeout", 0, "maximum time for one step on a host (default 15m)")
	flags.DurationVar(&a.connectTimeout, "connect-timeout", 0, "maximum time until a host answers as an SSH server (default 10s, or ConnectTimeout of ssh_config)")
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error { return a.checkFlags(cmd) }
	root.SetFlagErrorFunc(flagError)
	root.SetVersionTemplate("kis {{.Version}}\n")
	root.SetHelpCommand(newHelp(a))
	root.SetHelpCommandGroupID("other")
	root.SetCompletionCommandGroupID("other")
	root.AddGroup(&cobra.Group{ID: "change", Title: "Change what is linked:"}, &cobra.Group{ID: "inspect", Title: "Inspect; these change nothing:"},
		&cobra.Group{ID: "clean", Title: "Clean up:"}, &cobra.Group{ID: "other", Title: "Other:"})
	root.AddCommand(newPush(a), newPromote(a), newRollback(a), newLink(a), newRestart(a), newSync(a), newStatus(a), newList(a), newLog(a), newVerify(a), newCheck(a), newHosts(a),
		newDiff(a), newLogs(a), newExec(a), newPrune(a), newRemove(a), newUnlock(a), newInit(a), newDemo(a), newVersion(a))
	root.SuggestionsMinimumDistance = 2
	for _, c := range append(root.Commands(), root) {
		c.Long += "\n" + statusOf(c)
	}
	return root
}

// lockWaitFlag is for the commands that take a stage's lock.
func (a *app) lockWaitFlag(cmd *cobra.Command) {
	cmd.Flags().DurationVar(&a.lockWait, "lock-wait", 0, "maximum time to wait for the lock of another run, such as 10m (default: do not wait)")
}

// checkFlags checks the global flags once, before any command runs.
func (a *app) checkFlags(cmd *cobra.Command) error {
	a.dynamic = a.rememberedNames // completion runs nothing
	if !strings.HasPrefix(cmd.Name(), cobra.ShellCompRequestCmd) {
		a.dynamic = func(dir, command string) ([]byte, error) { return a.runDynamic(cmd.Context(), dir, command) }
	}
	if name := emptyFlag(cmd); name != "" {
		return usageError(cmd, fmt.Errorf("--%s is empty", name))
	}
	switch {
	case a.ui.Output != ui.Text && a.ui.Output != ui.JSON:
		given := a.ui.Output
		a.ui.Output = ui.Text
		return usageError(cmd, fmt.Errorf("--output is text or json, not %q", given))
	case a.ui.Color != "auto" && a.ui.Color != "always" && a.ui.Color != "never":
		return usageError(cmd, fmt.Errorf("--color is auto, always or never, not %q", a.ui.Color))
	case a.forks < 0 || a.timeout < 0 || a.connectTimeout < 0:
		return usageError(cmd, fmt.Errorf("--forks, --timeout and --connect-timeout are not negative"))
	case a.lockWait < 0:
		return usageError(cmd, fmt.Errorf("--lock-wait is not negative"))
	}
	if a.sshConfig != "" {
		if _, err := os.Stat(a.sshConfig); err != nil {
			return usageError(cmd, fmt.Errorf("--ssh-config: %w", err))
		}
	}
	return nil
}

// emptyFlag is the name of a flag that was given an empty value, or "". An unset variable in a
// script must not mean the same as no flag, which may be every host, or another package.
func emptyFlag(cmd *cobra.Command) (name string) {
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if f.Value.String() == "" {
			name = f.Name
		}
	})
	return name
}

// flagError explains a wrong duration, where pflag's message is about its parser.
func flagError(cmd *cobra.Command, err error) error {
	if value, ok := errors.AsType[*pflag.InvalidValueError](err); ok && value.GetFlag().Value.Type() == "duration" {
		err = fmt.Errorf("--%s: %q is not a time; write it with its unit, such as 30s, 15m or 1h", value.GetFlag().Name, value.GetValue())
	}
	if here := foreignFlag(unknownFlag(err)); here != "" {
		return &ui.Hinted{Err: err, Help: here}
	}
	if required, ok := errors.AsType[*pflag.ValueRequiredError](err); ok && required.GetSpecifiedName() == "f" && cmd.Name() == "logs" {
		return &ui.Hinted{Err: err, Help: "-f is --forks; -F follows"}
	}
	return usageError(cmd, err)
}

// newHelp is cobra's help command, with topics, and with an error for what is neither.
func newHelp(a *app) *cobra.Command {
	lines := []string{"Help shows the help of a command, or a page about a topic:", ""}
	for _, topic := range docs.Topics() {
		lines = append(lines, fmt.Sprintf("  %-14s %s", topic.Name, topic.Short))
	}
	return &cobra.Command{
		Use:   "help [command|topic]",
		Short: "Show the help of a command, or a page about a topic",
		Long:  strings.Join(lines, "\n"),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			var names []string
			if len(args) == 0 {
				for _, topic := range docs.Topics() {
					names = append(names, topic.Name+"\t"+topic.Short)
				}
			}
			if about, _, err := cmd.Root().Find(args); err == nil {
				for _, c := range about.Commands() {
					names = append(names, c.Name())
				}
			}
			return names, noFiles
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				if topic, found := docs.Find(args[0]); found && !isCommand(cmd.Root(), args[0]) {
					a.ui.Out.Lines(strings.Split(strings.TrimSuffix(topic.Text(), "\n"), "\n")...)
					return nil
				}
			}
			about, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return a.unknownCommand(cmd.Root(), args)
			}
			return about.Help()
		},
	}
}

// isCommand reports whether a name is that of a command, whose help goes before a topic.
func isCommand(root *cobra.Command, name string) bool {
	return slices.ContainsFunc(root.Commands(), func(c *cobra.Command) bool { return c.Name() == name })
}
