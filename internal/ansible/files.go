package ansible

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// ignored are the names that Ansible passes over in a directory of inventories.
var ignored = regexp.MustCompile(`^\.|^(host_vars|group_vars|vars_plugins)$|(\.pyc|\.pyo|\.swp|\.bak|~|\.rpm|\.md|\.txt|\.rst|\.orig|\.cfg|\.retry)$`)

// vaultHead begins a file that ansible-vault has encrypted.
const vaultHead = "$ANSIBLE_VAULT;"

// Read reads the inventory at a path, a file or a directory, with the group_vars and host_vars
// beside it. Encrypted files of variables are an error, because they may say how to connect, unless
// skipEncrypted passes them over.
func Read(path string, skipEncrypted bool) (*Inventory, error) {
	inv := newInventory()
	r := &filesReader{inv: inv, skipEncrypted: skipEncrypted}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	dir := filepath.Dir(path)
	if info.IsDir() {
		dir = path
		err = r.directory(path, 0)
	} else {
		err = r.inventory(path)
	}
	if err != nil {
		return nil, err
	}
	if err := inv.finish(place{file: path}); err != nil {
		return nil, err
	}
	if len(inv.order) == 0 {
		return nil, place{file: path}.fail("has no hosts")
	}
	for _, name := range inv.names {
		if err := r.variables(filepath.Join(dir, "group_vars"), name, inv.groups[name].files); err != nil {
			return nil, err
		}
	}
	for _, name := range inv.order {
		if err := r.variables(filepath.Join(dir, "host_vars"), name, inv.hosts[name].files); err != nil {
			return nil, err
		}
	}
	return inv, nil
}

// filesReader reads the files of one inventory.
type filesReader struct {
	inv           *Inventory
	skipEncrypted bool
	files         int
}

// directory reads the inventories of a directory in the order of their names.
func (r *filesReader) directory(path string, depth int) error {
	if depth > maxDepth {
		return place{file: path}.fail("directories are nested more than %d deep", maxDepth)
	}
	return each(path, ignored.MatchString, func(path string, info fs.FileInfo) error {
		if info.IsDir() {
			return r.directory(path, depth+1)
		}
		return r.inventory(path)
	})
}

// each visits the entries of a directory in the order of their names, and follows links.
func each(path string, skip func(name string) bool, visit func(path string, info fs.FileInfo) error) error {
	entries, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if skip(e.Name()) {
			continue
		}
		full := filepath.Join(path, e.Name())
		info, err := os.Stat(full)
		if err == nil {
			err = visit(full, info)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *filesReader) read(path string) ([]byte, error) {
	if r.files++; r.files > maxFiles {
		return nil, place{file: path}.fail("more than %d files", maxFiles)
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, place{file: path}.fail("is not a file") // to open a pipe would wait for its writer
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // the file was only read
	text, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	switch {
	case err != nil:
		return nil, err
	case len(text) > maxFile:
		return nil, place{file: path}.fail("larger than %d bytes; this is not an inventory", maxFile)
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if !utf8.Valid(text) {
		return nil, place{file: path}.fail("is not UTF-8")
	}
	return text, nil
}

// inventory reads one file, as YAML or INI by its name, as Ansible does.
func (r *filesReader) inventory(path string) error {
	text, err := r.read(path)
	if err != nil {
		return err
	}
	whole := place{file: path}
	switch extension := filepath.Ext(path); {
	case bytes.HasPrefix(text, []byte("#!")):
		return whole.fail("is a program; use `dynamic:` with the command that runs it")
	case bytes.HasPrefix(text, []byte(vaultHead)):
		return whole.fail("is encrypted by ansible-vault")
	case extension == ".toml":
		return whole.fail("is TOML; kis reads inventories in INI and YAML. Use `dynamic: ansible-inventory -i FILE --list`")
	case slices.Contains([]string{".yml", ".yaml", ".json"}, extension):
		root, err := parseYAML(path, text)
		if err != nil {
			return err
		}
		return r.inv.readYAML(path, root)
	case extension == "":
		if root, err := parseYAML(path, text); err == nil && root != nil && root.Kind == yaml.MappingNode {
			return r.inv.readYAML(path, root)
		}
	}
	return r.inv.readINI(path, string(text))
}

// variables reads the files that group_vars or host_vars has for a name: NAME, NAME.yml, NAME.yaml
// or NAME.json, the first that exists. It may be a directory.
func (r *filesReader) variables(dir, name string, vars variables) error {
	if strings.ContainsRune(name, '/') || name == "." || name == ".." {
		return nil
	}
	for _, extension := range []string{"", ".yml", ".yaml", ".json"} {
		path := filepath.Join(dir, name+extension)
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return err
		case info.IsDir():
			return r.variablesDirectory(path, vars, 0)
		}
		return r.variablesFile(path, vars)
	}
	return nil
}

func (r *filesReader) variablesDirectory(path string, vars variables, depth int) error {
	if depth > maxDepth {
		return nil
	}
	skip := func(name string) bool { return strings.HasPrefix(name, ".") || strings.HasSuffix(name, "~") }
	return each(path, skip, func(path string, info fs.FileInfo) error {
		switch extension := filepath.Ext(path); {
		case info.IsDir() && extension == "":
			return r.variablesDirectory(path, vars, depth+1)
		case !info.IsDir() && slices.Contains([]string{"", ".yml", ".yaml", ".json"}, extension):
			return r.variablesFile(path, vars)
		}
		return nil
	})
}

func (r *filesReader) variablesFile(path string, vars variables) error {
	text, err := r.read(path)
	if err != nil {
		return err
	}
	if bytes.HasPrefix(text, []byte(vaultHead)) {
		if r.skipEncrypted {
			return nil
		}
		return place{file: path}.fail("is encrypted by ansible-vault, so kis cannot know whether it has connection variables; " +
			"if it has none: ansible: {inventory: FILE, encrypted: skip}")
	}
	root, err := parseYAML(path, text)
	if err != nil {
		return err
	}
	found, err := yamlVariables(path, root, "the file")
	maps.Copy(vars, found)
	return err
}
