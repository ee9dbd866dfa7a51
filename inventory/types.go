package inventory

import (
	"maps"
	"slices"

	"github.com/keep-it-simple/kis/internal/name"
)

// The defaults. inventory.example.yaml shows each of them.
const (
	defaultRoot = "/var/webcode"
	defaultKeep = 5
)

// Host is one machine of the inventory with all defaults and overrides applied: the top level of
// the file, then the host's groups in the order of the file, then the host itself; the later wins,
// setting by setting.
type Host struct {
	Name    string // as the inventory writes it; a host name, an ssh_config alias or an IP address without brackets
	Address string // host name or IP address without brackets to connect to; "" = ssh_config decides for Name
	Root    string // the package repository: absolute, clean, only A-Za-z0-9._/+-, shorter than 100 bytes
	Python  name.Interpreter
	Become  name.User         // the user that the agent runs as through sudo; zero = the user that logs in
	SSH     SSH               // what the inventory overrides of ssh_config
	Vars    map[string]string // values of scalars as the file writes them, any text without NUL; no two names differ only by case; never nil
	Groups  []string          // every group the host is in, also through other groups, in the order of the file
}

// SSH is the connection as the inventory describes it. A zero field is not set: ssh_config(5)
// decides.
type SSH struct {
	User         string
	Port         int    // 1..65535
	IdentityFile string // as written; a relative path is relative to [Inventory.Dir], a leading ~/ is the home directory
	Jump         string // as ProxyJump of ssh_config(5): [user@]host[:port], several with commas, or none
	HostKey      string // the only host key to accept: "SHA256:…" as ssh-keygen -l prints it, or "ssh-ed25519 AAAA…"
}

// Stage is one stage of the inventory, without its hosts, which [Inventory.Select] returns.
type Stage struct {
	Name       name.Stage
	Confirm    bool       // ask before linking if there is a terminal
	From       name.Stage // the only stage whose packages it takes; zero = any package
	NoDev      bool       // refuses packages of versions that are being developed
	Verify     []Command  // the stage's own: before each switch that a user asks for
	BeforeLink []Command  // when every host is ready, before any link is prepared
	Services   []Service  // restarted after each switch, in this order
	AfterLink  []Command  // after each switch
	Health     Health     // after each switch
	Batch      Batch      // how many hosts do Services, AfterLink and Health at a time
	OnPartial  OnPartial
	Webhook    Webhook // told when a run on the stage begins, and when it has ended
}

// Builder is how the source distribution is made on this machine.
type Builder string

// The values of `build`.
const (
	BuildAuto    Builder = "auto" // depends on the project
	BuildSetupPy Builder = "setup.py"
	BuildBuild   Builder = "build" // python -m build
	BuildUV      Builder = "uv"
)

// Mode is how the application is installed in its companion environment.
type Mode string

// The values of `install.mode`.
const (
	ModeEditable Mode = "editable" // it runs from its package
	ModeRegular  Mode = "regular"  // it is copied into site-packages
)

// Installer is what fills companion environments on the hosts.
type Installer string

// The values of `install.installer`.
const (
	InstallerAuto Installer = "auto" // the library that kis brings
	InstallerUV   Installer = "uv"   // each host's own uv
)

// OnPartial is the action if the switch failed on some of the hosts.
type OnPartial string

// The values of `stages.*.on_partial`.
const (
	PartialBack    OnPartial = "back"    // roll back everywhere
	PartialForward OnPartial = "forward" // try to complete the switch everywhere
	PartialStop    OnPartial = "stop"    // change nothing more
)

func (h Host) clone() Host {
	h.Vars = maps.Clone(h.Vars)
	h.Groups = slices.Clone(h.Groups)
	return h
}

func (s Stage) clone() Stage {
	s.Verify, s.BeforeLink, s.AfterLink = slices.Clone(s.Verify), slices.Clone(s.BeforeLink), slices.Clone(s.AfterLink)
	s.Services = slices.Clone(s.Services)
	return s
}
