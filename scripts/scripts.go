// Package scripts contains what runs on a host: the agent, in Python, and the steps, in POSIX sh.
// The files are embedded unchanged and never formatted: steps get values as positional arguments
// only.
//
// The package knows nothing of SSH or of any host.
package scripts

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"strings"
)

//go:embed *.sh imports.py terminal.py pipsettings.txt kisagent/*.py
var files embed.FS

// Bootstrap is the standard input of `exec /bin/sh -s -- PYTHON` on a host. It starts the loader of
// the agent, which prints "KIS1 READY <major>.<minor>", with " zlib" where it can decompress, and then reads the order
// (see Modules and Steps): one line of JSON, and compressed members of it behind that.
func Bootstrap() string { return read("bootstrap.sh") }

// Module is one module of the agent.
type Module struct {
	Name   string // as Python imports it
	Source string
}

// Modules returns the agent. Each module is compiled when another one imports it.
func Modules() []Module {
	entries, err := files.ReadDir("kisagent")
	if err != nil {
		panic(err) // impossible: the directory is embedded
	}
	modules := make([]Module, 0, len(entries))
	for _, e := range entries {
		name := "kisagent." + strings.TrimSuffix(e.Name(), ".py")
		modules = append(modules, Module{Name: strings.TrimSuffix(name, ".__init__"), Source: read("kisagent/" + e.Name())})
	}
	return modules
}

// Program identifies the agent with its loader: hosts keep the compiled modules under this name.
func Program() string {
	sum := sha256.New()
	_, _ = sum.Write([]byte(Bootstrap())) // a hash never fails
	for _, m := range Modules() {
		_, _ = sum.Write([]byte(m.Name + "\x00" + m.Source + "\x00"))
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}

// PipSettings are the names of pip's settings that say where packages come from, and how they are
// reached. Those of a site count; all others say where packages go, or what is done with them.
func PipSettings() []string { return strings.Fields(read("pipsettings.txt")) }

// Steps returns the steps by name, each one argument of `sh -c`. "imports" is Python, an argument
// of the step verify; "terminal" is the program of kis exec -t, "pipsettings" the text of PipSettings.
func Steps() map[string]string {
	steps := map[string]string{"imports": read("imports.py"), "terminal": read("terminal.py"), "pipsettings": read("pipsettings.txt")}
	for _, name := range []string{"unpack", "pip", "uv", "verify", "command", "exec"} {
		steps[name] = strings.Join([]string{read("prelude.sh"), read(name + ".sh")}, "\n")
	}
	return steps
}

func read(name string) string {
	text, err := files.ReadFile(name)
	if err != nil {
		panic(err) // impossible: the file is embedded
	}
	return string(text)
}
