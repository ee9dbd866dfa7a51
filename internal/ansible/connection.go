package ansible

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Connection is how Ansible reaches a host. A zero field is not set.
type Connection struct {
	Address      string
	User         string
	Port         int
	IdentityFile string
	Jump         string // as ProxyJump
	Become       string // the user
	Python       string
	Problems     []Problem // what kis cannot use
}

// Problem is a variable that kis cannot use.
type Problem struct {
	Setting Setting
	Err     error // with the file, the line and the name of the variable
}

// Setting is what a variable is about.
type Setting string

// The settings of a connection.
const (
	Address      Setting = "address"
	User         Setting = "user"
	Port         Setting = "port"
	IdentityFile Setting = "identity_file"
	Jump         Setting = "jump"
	Become       Setting = "become"
	Python       Setting = "python"
	Transport    Setting = "" // no setting of kis: nothing in its file replaces the variable
)

// names are the variables of each setting. Of several the last that is set counts, as in Ansible.
func names(s Setting) []string {
	return map[Setting][]string{
		Address:      {"ansible_host", "ansible_ssh_host"},
		User:         {"ansible_user", "ansible_ssh_user"},
		Port:         {"ansible_port", "ansible_ssh_port"},
		IdentityFile: {"ansible_private_key_file", "ansible_ssh_private_key_file"},
		Jump:         {"ansible_ssh_args", "ansible_ssh_common_args", "ansible_ssh_extra_args"},
		Become:       {"ansible_become", "ansible_become_user", "ansible_sudo_user", "ansible_become_method"},
		Python:       {"ansible_python_interpreter"},
		Transport:    {"ansible_connection"},
	}[s]
}

const priority = "ansible_group_priority"

// set keeps a variable if it matters to a connection.
func (vars variables) set(key string, v value) {
	for _, s := range []Setting{Address, User, Port, IdentityFile, Jump, Become, Python, Transport} {
		if slices.Contains(names(s), key) {
			vars[key] = v
			return
		}
	}
}

func (g *group) set(key string, v value) {
	if key == priority {
		if n, err := strconv.Atoi(v.text); err == nil {
			g.priority = n
		}
	}
	g.vars.set(key, v)
}

// Connection returns how Ansible reaches a host of the inventory.
func (inv *Inventory) Connection(name string) Connection {
	r := &connectionReader{host: name, vars: inv.effective(name)}
	c := Connection{
		Address:      r.text(Address),
		User:         r.text(User),
		IdentityFile: r.text(IdentityFile),
		Port:         r.port(),
		Python:       r.python(),
		Become:       r.become(),
		Jump:         r.jump(),
	}
	if transport, v := r.last(Transport); !slices.Contains([]string{"", "ssh", "smart", "paramiko", "paramiko_ssh", "ansible.builtin.ssh", "ansible.netcommon.libssh"}, transport) {
		r.fail(Transport, v, "is %s; kis connects by SSH only", strconv.Quote(transport))
	}
	c.Problems = r.problems
	return c
}

type connectionReader struct {
	host     string
	vars     variables
	problems []Problem
}

// found is a variable with its name.
type found struct {
	value
	name string
}

func (r *connectionReader) fail(s Setting, v found, format string, args ...any) {
	r.problems = append(r.problems, Problem{s, v.fail("%s of %s %s", v.name, r.host, fmt.Sprintf(format, args...))})
}

// get returns a variable. One that kis cannot read is a problem, and not there.
func (r *connectionReader) get(s Setting, name string) (found, bool) {
	v, some := r.vars[name]
	f := found{v, name}
	switch {
	case !some:
		return f, false
	case v.problem != "":
		r.fail(s, f, "%s", v.problem)
		return f, false
	case strings.Contains(v.text, "{{") || strings.Contains(v.text, "{%"):
		r.fail(s, f, "is a template, which kis does not render")
		return f, false
	}
	return f, true
}

// last returns the last variable of a setting that has a value.
func (r *connectionReader) last(s Setting) (string, found) {
	var last found
	for _, name := range names(s) {
		if v, some := r.get(s, name); some && v.text != "" {
			last = v
		}
	}
	return last.text, last
}

func (r *connectionReader) text(s Setting) string {
	text, _ := r.last(s)
	return text
}

func (r *connectionReader) port() int {
	text, v := r.last(Port)
	if text == "" {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 65535 || text[0] == '0' {
		r.fail(Port, v, "is not a port from 1 to 65535")
	}
	return n
}

// python passes over what makes Ansible search for an interpreter.
func (r *connectionReader) python() string {
	text, _ := r.last(Python)
	if slices.Contains([]string{"auto", "auto_silent", "auto_legacy", "auto_legacy_silent"}, text) {
		return ""
	}
	return text
}

// become is the user that Ansible becomes: root, unless another is named.
func (r *connectionReader) become() string {
	v, some := r.get(Become, "ansible_become")
	if !some {
		return ""
	}
	switch strings.ToLower(v.text) {
	case "y", "yes", "on", "1", "true", "t":
	case "", "n", "no", "off", "0", "false", "f":
		return ""
	default:
		r.fail(Become, v, "is not true or false")
		return ""
	}
	if m, some := r.get(Become, "ansible_become_method"); some && m.text != "" && m.text != "sudo" && m.text != "ansible.builtin.sudo" {
		r.fail(Become, m, "is %s; kis uses sudo", strconv.Quote(m.text))
	}
	user := "root"
	for _, name := range []string{"ansible_become_user", "ansible_sudo_user"} {
		if v, some := r.get(Become, name); some && v.text != "" {
			user = v.text
		}
	}
	return user
}

// option is one of ssh_config(5), whose names are of ASCII letters in any case.
var option = regexp.MustCompile(`^([A-Za-z]+)\s*[= ]`)

// isHarmless reports whether kis need not know an option of ssh in ansible_ssh_args and the like: it
// multiplexes by itself, and always checks host keys.
func isHarmless(setting string) bool {
	found := option.FindStringSubmatch(setting)
	if found == nil {
		return false
	}
	name := strings.ToLower(found[1])
	return strings.HasPrefix(name, "serveralive") || slices.Contains([]string{
		"controlmaster", "controlpersist", "controlpath", "forwardagent", "connecttimeout", "connectionattempts", "stricthostkeychecking",
		"userknownhostsfile", "compression", "preferredauthentications", "loglevel", "batchmode", "tcpkeepalive",
	}, name)
}

// proxyCommand is a ProxyCommand that does what ProxyJump does.
var proxyCommand = regexp.MustCompile(`^ssh(?:\s+-q)*\s+(?:-W\s+\[?%h\]?:%p(?:\s+-q)*\s+([\w.@:\\-]+)|([\w.@:\\-]+)(?:\s+-q)*\s+-W\s+\[?%h\]?:%p)$`)

// jump finds the jump host in options of ssh.
func (r *connectionReader) jump() string {
	jump := ""
	for _, name := range names(Jump) {
		v, some := r.get(Jump, name)
		if !some {
			continue
		}
		options, err := words(v.text, false)
		if err != nil {
			r.fail(Jump, v, "has %s", err)
			continue
		}
		for i := 0; i < len(options); i++ {
			option := options[i]
			for _, separate := range []string{"-o", "-J"} {
				if option == separate && i+1 < len(options) {
					i++
					option += options[i]
				}
			}
			if to, known := jumpOf(option); !known {
				name, _, _ := strings.Cut(option, "=") // the rest may be a password
				r.fail(Jump, v, "has the option %s; write it into ssh_config, and the jump host into ssh: {jump: …}", strconv.Quote(name))
			} else if to != "" {
				jump = to
			}
		}
	}
	return jump
}

// jumpOf returns the jump host that an option of ssh names, and whether kis understands the option.
func jumpOf(option string) (jump string, known bool) {
	if to, found := strings.CutPrefix(option, "-J"); found {
		return to, true
	}
	setting, found := strings.CutPrefix(option, "-o")
	if !found {
		return "", slices.Contains([]string{"-C", "-A", "-q", "-4", "-6"}, option)
	}
	key, text, _ := strings.Cut(setting, "=")
	switch strings.ToLower(strings.TrimSpace(key)) {
	case "proxyjump":
		return text, true
	case "proxycommand":
		m := proxyCommand.FindStringSubmatch(strings.TrimSpace(text))
		if m == nil {
			return "", false
		}
		return m[1] + m[2], true
	}
	return "", isHarmless(setting)
}
