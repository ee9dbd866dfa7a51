package transcript

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/keep-it-simple/kis/internal/testenv"
	"github.com/keep-it-simple/kis/internal/testenv/hosttest"
)

func (s *script) hosts(args []string) {
	s.want(args, 1, 2)
	n, err := strconv.Atoi(args[0])
	s.ts.Check(err)
	s.Hosts = hosttest.New(s.T, n, hosttest.Options{Bare: slices.Contains(args, "bare")})
	s.Client = hosttest.NewClient(s.T, s.Hosts)
	s.ts.Setenv("KNOWN_HOSTS", s.Client.KnownHosts)
	s.T.Cleanup(s.mutable)
	if _, err := os.Stat(filepath.Join(s.Dir, "inventory.yaml")); err != nil {
		s.Inventory(testenv.InventoryText(s.Hosts, ""))
	}
}

// mutable lets repositories be removed that a script which has failed left immutable.
func (s *script) mutable() {
	for _, h := range s.Hosts { // fails where the file system has no attributes, so that there are none
		_ = exec.CommandContext(context.WithoutCancel(s.T.Context()), "chattr", "-ia", h.Repo).Run()
	}
}

func (s *script) sample(args []string) {
	s.want(args, 1, 1)
	s.Sample(args[0])
}

func (s *script) sdist(args []string) {
	s.want(args, 0, 1)
	if len(args) > 0 {
		s.Version(args[0])
	}
	s.ts.Setenv("SDIST", s.Archive())
}

func (s *script) install(args []string) {
	s.sdist(args)
	s.Install(s.ts.Getenv("SDIST"))
}

func (s *script) wheels(args []string) {
	s.want(args, 2, 9)
	s.ts.Setenv(args[0], testenv.Wheelhouse(s.T, args[1:]...))
}

// named are the hosts of a name, of several, or all.
func (s *script) named(names string) []*hosttest.Host {
	if names == "all" {
		return s.Hosts
	}
	wanted := strings.Split(names, ",")
	found := s.On(wanted...).Hosts
	if len(found) != len(wanted) {
		s.ts.Fatalf("some of these hosts do not exist: %s", names)
	}
	return found
}

// each is a command that does something to hosts, whose names come first.
func each(do func(s *script, h *hosttest.Host, args []string), more int) func(s *script, args []string) {
	return func(s *script, args []string) {
		s.want(args, 1+more, 1+more)
		for _, h := range s.named(args[0]) {
			do(s, h, args[1:])
		}
	}
}

func (s *script) on(h *hosttest.Host, args []string) {
	_, err := fmt.Fprint(s.ts.Stdout(), h.Shell(s.T, args[0]))
	s.ts.Check(err)
}

func (s *script) poweroff(h *hosttest.Host, _ []string) { h.Kill() }

func (s *script) boot(h *hosttest.Host, _ []string) {
	delete(s.Roots, h.Name)
	h.Restart(s.T)
}

func (s *script) disk(h *hosttest.Host, args []string) {
	h.Shell(s.T, "mount -t tmpfs -o "+args[0]+",mode=755,uid=$(id -u "+h.User+") none "+hosttest.Repository)
	if s.Roots == nil {
		s.Roots = map[string]string{}
	}
	s.Roots[h.Name] = h.Inside(hosttest.Repository)
}

func (s *script) rekey(h *hosttest.Host, _ []string) {
	h.NewHostKey(s.T)
	h.Restart(s.T)
}

func (s *script) alias(args []string) {
	s.want(args, 2, 2)
	h := s.named(args[1])[0]
	s.Client.SetPort(s.T, args[0], h.Port)
	known, err := os.OpenFile(s.Client.KnownHosts, os.O_APPEND|os.O_WRONLY, 0)
	s.ts.Check(err)
	defer known.Close() //nolint:errcheck // as its write shows
	_, err = fmt.Fprintln(known, args[0]+strings.TrimPrefix(h.KnownHostsLine(s.T), h.Name))
	s.ts.Check(err)
}

func (s *script) mute(args []string) {
	s.want(args, 1, 1)
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}) // the kernel accepts
	s.ts.Check(err)
	s.T.Cleanup(func() { _ = l.Close() })
	s.Client.SetPort(s.T, args[0], l.Addr().(*net.TCPAddr).Port)
}
