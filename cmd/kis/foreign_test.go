package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestWordsOfOtherTools: what users of other tools type is answered with what it is here, and never with a command that does
// something else.
func TestWordsOfOtherTools(t *testing.T) {
	t.Parallel()
	p := newProject(t, "groups: {web: {hosts: [web1]}}\nstages: {live: {hosts: [web]}}\n")
	for says, args := range map[string][]string{
		"there is no command \"deploy\"\n  hint: here it is: kis push STAGE\n":                               {"deploy", "live"},
		"there is no command \"ping\"\n  hint: here it is: kis check STAGE\n":                                {"ping"},
		"there is no command \"live\"\n  hint: live is a stage; the command comes first: kis push live\n":    {"live", "deploy"},
		"there is no command \"stauts\"\n  hint: did you mean: kis status\n":                                 {"stauts"},
		"there is no command \"hush\"\n  hint: see: kis help\n":                                              {"hush"}, // not push
		"the command is empty\n  hint: see: kis help\n":                                                      {""},
		"unknown flag: --limit\n  hint: here it is: --hosts, or -l\n":                                        {"status", "--limit", "web1"},
		"unknown shorthand flag: 'b' in -b\n  hint: here it is: become: in the inventory\n":                  {"push", "live", "-b"},
		"flag needs an argument: 'f' in -f\n  hint: -f is --forks; -F follows\n":                             {"logs", "live", "-f"},
		`unknown stage "web"; known: live; "web" is a group: name a stage, and narrow it with --hosts @web`:  {"status", "web"},
		`unknown stage "web1"; known: live; "web1" is a host: name a stage, and narrow it with --hosts web1`: {"status", "web1"},
	} {
		a, _, errs := p.app()
		assert.Equal(t, 2, executeAll(t.Context(), a, p.args(args...)), args)
		assert.Contains(t, errs.String(), says, args)
	}
}
