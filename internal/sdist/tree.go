package sdist

import (
	"errors"
	"fmt"
	"strings"
)

// tree is the result of unpacking the members read so far. It detects members that would overwrite
// each other or be written through a symbolic link.
//
// Names that differ only by case are refused, because they are one file on some file systems. They
// are compared in lower case; names that differ only by Unicode normalization are not detected.
type tree struct {
	// noPax makes it a tree for a tar without pax support. Such a tar truncates long names, so that
	// files may overwrite each other, which damages only that host's copy; only the rules about
	// symbolic links remain.
	noPax  bool
	limits limits
	nodes  map[string]*node
}

type node struct {
	path     string
	kind     kind
	children bool
}

func newTree(noPax bool, lim limits) *tree {
	return &tree{noPax: noPax, limits: lim, nodes: map[string]*node{}}
}

func (t *tree) key(path string) string {
	if t.noPax {
		return path
	}
	return strings.ToLower(path)
}

// add adds a member, and its parent directories as tar would make them.
func (t *tree) add(path string, k kind) error {
	if err := t.addParents(path); err != nil {
		return err
	}
	n := t.nodes[t.key(path)]
	if n == nil {
		return t.insert(&node{path: path, kind: k})
	}
	if n.path != path {
		return fmt.Errorf("differs from %s only by case", Quoted(n.path))
	}
	if t.noPax {
		if n.kind == symlink || k == symlink {
			return errors.New("takes the place of another member, and one of them is a symbolic link")
		}
		return nil
	}
	switch {
	case n.kind != k:
		return errors.New("is in the archive twice, as different types")
	case k == symlink:
		return errors.New("is in the archive twice")
	}
	return nil // the content of a file is compared by scanner.read
}

// addParents stops at the nearest known directory, because its parents are known too.
func (t *tree) addParents(path string) error {
	for {
		i := strings.LastIndexByte(path, '/')
		if i < 0 {
			return nil
		}
		path = path[:i]
		n := t.nodes[t.key(path)]
		switch {
		case n == nil:
			if err := t.insert(&node{path: path, kind: directory, children: true}); err != nil {
				return err
			}
			continue
		case n.path != path:
			return fmt.Errorf("lies in a directory that differs from %s only by case", Quoted(n.path))
		case n.kind == symlink:
			return fmt.Errorf("lies below the symbolic link %s", Quoted(n.path))
		case n.kind == regular && !t.noPax:
			return fmt.Errorf("lies below %s, which is a file", Quoted(n.path))
		}
		n.children = true
		return nil
	}
}

func (t *tree) insert(n *node) error {
	t.nodes[t.key(n.path)] = n
	return t.limits.count(len(t.nodes))
}
