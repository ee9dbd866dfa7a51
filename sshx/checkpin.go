package sshx

// CheckPin reports what keeps a text from being a pinned host key, as in Host.HostKey.
func CheckPin(s string) error {
	_, _, err := parsePin(s)
	return err
}
