package sdist

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"
)

// warnings collects what the user should see before an upload. A source distribution contains more
// of a tree than users expect, and hosts have backups.
type warnings struct {
	list        []string
	directories map[string]bool // of version control systems: one warning each
	left        int
}

// maxWarnings keeps a tree full of test keys from hiding everything else.
const maxWarnings = 5

// sniffedBytes is how much of a file is searched for keys.
const sniffedBytes = 64

// inspect checks a member's path below the top-level directory and its first bytes.
func (w *warnings) inspect(below string, head []byte) {
	parts := strings.Split(below, "/")
	for i, part := range parts {
		if part == ".git" || part == ".hg" || part == ".svn" {
			w.once(strings.Join(parts[:i+1], "/"))
			return
		}
	}
	switch {
	case bytes.HasPrefix(head, []byte("-----BEGIN ")) && bytes.Contains(head, []byte("PRIVATE KEY")),
		bytes.HasPrefix(head, []byte("PuTTY-User-Key-File")):
		w.add("%s: contains a private key", below)
	case isSecretName(strings.ToLower(path.Base(below))), strings.HasSuffix("/"+below, "/.aws/credentials"):
		w.add("%s: is a file that usually holds secrets", below)
	}
}

func isSecretName(base string) bool {
	if slices.Contains([]string{
		".env", ".envrc", ".netrc", "_netrc", ".pgpass", ".pypirc", ".git-credentials", ".htpasswd", ".my.cnf",
		"id_rsa", "id_dsa", "id_ecdsa", "id_ed25519",
	}, base) {
		return true
	}
	if variant, ok := strings.CutPrefix(base, ".env."); ok {
		return !slices.Contains([]string{"example", "sample", "template", "dist", "defaults"}, variant)
	}
	return slices.Contains([]string{".key", ".p12", ".pfx", ".jks", ".kdbx", ".keystore"}, path.Ext(base))
}

func (w *warnings) once(below string) {
	if w.directories == nil {
		w.directories = map[string]bool{}
	}
	if !w.directories[below] {
		w.directories[below] = true
		w.add("%s: is the data of a version control system, with all its history", below)
	}
}

func (w *warnings) add(format, below string) {
	if len(w.list) == maxWarnings {
		w.left++
		return
	}
	w.list = append(w.list, fmt.Sprintf(format, Quoted(below)))
}

func (w *warnings) all() []string {
	list := w.list
	if w.left > 0 {
		list = append(list, fmt.Sprintf("%d more files of these kinds", w.left))
	}
	return list
}
