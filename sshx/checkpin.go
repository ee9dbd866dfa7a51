package sshx

import "github.com/keep-it-simple/kis/sshx/hostkey"

// CheckPin reports what keeps a text from being a pinned host key, as in Host.HostKey.
func CheckPin(s string) error {
	_, err := hostkey.ParsePin(s)
	return err
}
