package ui

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestHomePathComparesDirectories(t *testing.T) {
	for _, test := range []struct{ home, path, want string }{
		{"/home/ann", "/home/ann/.local/x.jsonl", "~/.local/x.jsonl"},
		{"/home/ann/", "/home/ann/.ssh/config", "~/.ssh/config"},
		{"/home/ann", "/home/annabel/.ssh/config", "/home/annabel/.ssh/config"},
		{"/home/ann/", "/home/annabel/x", "/home/annabel/x"},
		{"/home/ann", "/home/ann", "~"},
		{"/home/ann", "/home/ann..x/y", "/home/ann..x/y"},
		{"/home/ann", "/home/ann/..x", "~/..x"},
		{"/home/ann", "/home/an", "/home/an"},
		{"/home/./ann//", "/home/ann/x", "~/x"},
		{"/", "/var/log/x", "/var/log/x"}, // root of a container: "~/var/log/x" is no shorter, and the same
		{"/", "/", "/"},
		{"", "/x", "/x"},
		{"ann", "ann/x", "ann/x"}, // HOME is not a path that a shell goes to
		{"/home/ann", "ssh_config", "ssh_config"},
		{"/home/ann", "default", "default"},
		{"/home/ann", "", ""},
	} {
		t.Setenv("HOME", test.home)
		assert.Equal(t, test.want, HomePath(test.path), "HOME=%s %s", test.home, test.path)
	}
}
