package sshx

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/pkg/sftp"
)

// Resolver decides the settings of hosts as ssh(1) would: with `ssh -G` where
// there is an ssh, otherwise by reading ssh_config itself. The zero value works
// and is safe for concurrent use.
type Resolver struct {
	// ConfigFile replaces the user's and the system's ssh_config; "": those.
	ConfigFile string
	// SSH is the path of ssh; "": look it up; "none": do without.
	SSH string
	// Home stands for ~; "": the home of the user who runs kis.
	Home string
}

// Resolve decides every setting of h.
func (r Resolver) Resolve(ctx context.Context, h Host) (Target, error) {
	return Target{}, errors.New("unfinished")
}

// SFTP opens the SFTP subsystem.
func (c *Client) SFTP(ctx context.Context) (*sftp.Client, error) { return nil, ErrNoSFTP }

type conn struct{ net.Conn }

func (c *conn) broken() bool                                        { return false }
func isDropped(error) bool                                          { return false }
func lostCause(err error) string                                    { return err.Error() }
func aliveSettings(t Target) (time.Duration, int)                   { return 0, 0 }
func (c *Client) keepAlive(interval time.Duration, count int)       {}

// HostKeyError is a refused host key.
type HostKeyError struct {
	Host        string
	Kind        HostKeyKind
	Fingerprint string
	KeyType     string
	Known       []KnownKey
}

func (e *HostKeyError) Error() string { return "" }

// HostKeyKind tells why a key was refused.
type HostKeyKind string

// The kinds.
const (
	HostKeyUnknown HostKeyKind = "unknown"
	HostKeyChanged HostKeyKind = "changed"
	HostKeyRevoked HostKeyKind = "revoked"
)

// KnownKey is a key that known_hosts holds for a host.
type KnownKey struct {
	Fingerprint, KeyType, File string
	Line                       int
}
