package demo

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/keep-it-simple/kis/internal/sshtest"
	"github.com/keep-it-simple/kis/internal/ui"
)

// demoHost is one host in this process.
type demoHost struct {
	name string
	root string
	host *sshtest.Host
}

// prepare writes application, inventory, key and ssh_config, and starts the hosts.
func (d *demo) prepare(ctx context.Context) error {
	if err := d.writeSample(); err != nil {
		return err
	}
	python, err := pythonHere(ctx)
	if err != nil {
		return err
	}
	key, err := d.writeKey()
	if err != nil {
		return err
	}
	var config, known, hosts []string
	for _, name := range []string{"web1", "web2", "web3"} {
		h, err := d.startHost(name, key)
		if err != nil {
			return err
		}
		config = append(config, fmt.Sprintf("Host %s\n  HostName 127.0.0.1\n  Port %d\n  HostKeyAlias %s\n", name, h.host.Port(), name))
		known = append(known, fmt.Sprintf("%s %s", name, ssh.MarshalAuthorizedKey(h.host.HostKey())))
		hosts = append(hosts, fmt.Sprintf("  %s: {root: %q}\n", name, h.root))
	}
	config = append(config, fmt.Sprintf("Host *\n  User demo\n  IdentityFile %q\n  IdentitiesOnly yes\n  IdentityAgent none\n  StrictHostKeyChecking yes\n"+
		"  UserKnownHostsFile %q\n  GlobalKnownHostsFile /dev/null\n", d.path("key"), d.path("known_hosts")))
	inventory := demoInventory + fmt.Sprintf("python: %q\nhosts:\n%s", python, strings.Join(hosts, ""))
	return errors.Join(
		os.WriteFile(d.path("ssh_config"), []byte(strings.Join(config, "")), 0o600),
		os.WriteFile(d.path("known_hosts"), []byte(strings.Join(known, "")), 0o600),
		os.WriteFile(d.path("hello", "inventory.yaml"), []byte(inventory), 0o600),
	)
}

// pythonHere is the interpreter that python3 runs, not a wrapper.
func pythonHere(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "python3", "-c", "import sys; print(sys.executable)").Output()
	if err != nil {
		return "", &ui.Hinted{Err: fmt.Errorf("demo: python3: %w", err), Help: "install it: apt install python3 python3-venv"}
	}
	return strings.TrimSpace(string(out)), nil
}

func (d *demo) writeKey() (ssh.PublicKey, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	block, err := ssh.MarshalPrivateKey(private, "kis demo")
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(d.path("key"), pem.EncodeToMemory(block), 0o600); err != nil {
		return nil, err
	}
	return ssh.NewPublicKey(public)
}

func (d *demo) startHost(name string, key ssh.PublicKey) (*demoHost, error) {
	h := &demoHost{name: name, root: d.path(name, "webcode")}
	if err := os.MkdirAll(h.root, 0o755); err != nil { //nolint:gosec // as a package repository is
		return nil, err
	}
	if name != "web2" {
		if err := os.WriteFile(filepath.Join(h.root, "greeting.txt"), []byte("hello\n"), 0o644); err != nil { //nolint:gosec // a file of the host
			return nil, err
		}
	}
	var err error
	h.host, err = sshtest.Start(sshtest.Options{Home: d.path(name), AuthorizedKeys: []ssh.PublicKey{key}})
	if err == nil {
		d.hosts = append(d.hosts, h)
	}
	return h, err
}

// close stops the hosts and removes everything. Packages are read-only, so directories are made
// writable first. The error is a host's.
func (d *demo) close() error {
	var errs []error
	for _, h := range d.hosts {
		errs = append(errs, h.host.Close())
	}
	_ = filepath.WalkDir(d.dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() {
			_ = os.Chmod(path, 0o700) //nolint:gosec // a directory about to be removed
		}
		return nil
	})
	_ = os.RemoveAll(d.dir)
	return errors.Join(errs...)
}
