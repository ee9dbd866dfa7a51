// Package docs has the pages about kis, so that `kis help TOPIC` shows them without a network.
package docs

import (
	"embed"
	"regexp"
	"slices"
	"strings"
)

//go:embed *.md
var pages embed.FS

// Topic is a page, or a section of one.
type Topic struct {
	Name  string // as the user types it
	Short string // what it is about
	file  string
	title string // of the section; "" for the whole page
}

// Topics are what `kis help` knows beside the commands, in the order in which it lists them.
func Topics() []Topic {
	return []Topic{
		{"exit-status", "How a run ends, what is true then, and the command that fixes it", "outcomes", ""},
		{"inventory", "Stages, hosts, groups, and every setting", "inventory", ""},
		{"layout", "The directories on a host", "hosts", "Layout"},
		{"host-setup", "What a host needs", "hosts", ""},
		{"ssh", "How kis reaches hosts: ssh_config, keys, jump hosts", "ssh", ""},
		{"release", "Shared data, commands, services, health, batches", "release", ""},
		{"environments", "How environments are built once; promote, sync, verify", "environments", ""},
		{"requirements", "What of requirements.txt and lock files is understood", "requirements", ""},
		{"commands", "Commands, consoles and logs on the hosts", "exec", ""},
		{"ci", "Pipelines and webhooks", "ci", ""},
		{"cleanup", "What is kept, and what is removed", "cleanup", ""},
		{"serving", "How servers pick up a switch", "serving", ""},
		{"zero-downtime", "Deployments that no visitor notices", "zero-downtime", ""},
		{"compatibility", "What source distributions, Pythons and build backends work", "compatibility", ""},
		{"ansible", "Hosts and groups from an Ansible inventory", "ansible", ""},
		{"moving", "Moving a running application to kis", "moving", ""},
		{"from-ansible", "For users of Ansible", "coming-from-ansible", ""},
		{"from-capistrano", "For users of Capistrano and Deployer", "coming-from-capistrano", ""},
		{"from-fabric", "For users of Fabric and scripts", "coming-from-fabric", ""},
		{"django", "A complete example", "django", ""},
		{"flask", "A complete example", "flask", ""},
		{"pyramid", "A complete example", "pyramid", ""},
		{"fastapi", "A complete example", "fastapi", ""},
		{"limits", "What kis does not do, and what to do instead", "limits", ""},
		{"transaction", "The two-phase commit, and what each promise rests on", "transaction", ""},
	}
}

// Find returns the topic of a name.
func Find(name string) (Topic, bool) {
	at := slices.IndexFunc(Topics(), func(t Topic) bool { return t.Name == name })
	if at < 0 {
		return Topic{}, false
	}
	return Topics()[at], true
}

var link = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)

// Text is the topic as users read it at a terminal: Markdown, with the texts of links only.
func (t Topic) Text() string {
	data, err := pages.ReadFile(t.file + ".md")
	if err != nil {
		panic(err) // impossible: the file is embedded, see the test
	}
	text := string(data)
	if t.title != "" {
		_, text, _ = strings.Cut(text, "\n## "+t.title+"\n")
		text, _, _ = strings.Cut(text, "\n## ")
		text = "# " + t.title + "\n" + text
	}
	return link.ReplaceAllString(strings.TrimRight(text, "\n"), "$1") + "\n"
}
