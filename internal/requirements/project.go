package requirements

import (
	"cmp"
	"os"
	"path/filepath"
	"strings"

	"github.com/BurntSushi/toml"
)

// projectName returns the name that pyproject.toml or setup.cfg of a directory gives the project, or
// "". Only a build could say what a setup.py does.
func projectName(dir string) string {
	if name := nameInPyproject(filepath.Join(dir, "pyproject.toml")); name != "" {
		return name
	}
	return nameInSetupCfg(filepath.Join(dir, "setup.cfg"))
}

func nameInPyproject(path string) string {
	var file struct {
		Project struct {
			Name string `toml:"name"`
		} `toml:"project"`
		Tool struct {
			Poetry struct {
				Name string `toml:"name"`
			} `toml:"poetry"`
		} `toml:"tool"`
	}
	if _, err := toml.DecodeFile(path, &file); err != nil {
		return "" // the build reports what is wrong with it
	}
	return cmp.Or(file.Project.Name, file.Tool.Poetry.Name)
}

// nameInSetupCfg returns name of the section metadata, as Python's configparser reads it.
func nameInSetupCfg(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	section := ""
	for line := range strings.Lines(string(data)) {
		line = strings.TrimRight(line, "\r\n")
		if found, ok := strings.CutPrefix(line, "["); ok {
			section, _, _ = strings.Cut(found, "]")
			continue
		}
		at := strings.IndexAny(line, "=:")
		if section == "metadata" && at > 0 && strings.ToLower(strings.TrimRight(line[:at], " \t")) == "name" {
			return strings.TrimSpace(line[at+1:])
		}
	}
	return ""
}

// isProject reports whether a name is that of the application.
func (r *reader) isProject(name string) bool {
	return name != "" && r.options.Name != "" && canonical(name) == canonical(r.options.Name)
}

// isProjectDir reports whether a directory is that of the application, or another copy of it, as a
// checkout of one revision is.
func (r *reader) isProjectDir(dir string) bool {
	if filepath.Clean(dir) == filepath.Clean(r.options.Project) {
		return true
	}
	here, err := os.Stat(r.options.Project)
	there, err2 := os.Stat(dir)
	if err == nil && err2 == nil && os.SameFile(here, there) {
		return true
	}
	return r.isProject(projectName(dir))
}

// drop leaves the application itself out: kis installs it. Its extras are remembered.
func (r *reader) drop(e entry, extras []string, marker string) {
	if marker != "" {
		r.fail(e.place, e.written, "names the application under a condition; kis installs it on every host, so remove the marker")
		return
	}
	r.extras = append(r.extras, extras...)
	r.dropped = append(r.dropped, e.place.String()+": "+shorten(e.written))
}

// splitExtras separates the extras behind a path.
func splitExtras(path string) (string, []string, error) {
	rest, ok := strings.CutSuffix(path, "]")
	at := strings.LastIndex(rest, "[")
	if !ok || at <= 0 {
		return path, nil, nil
	}
	extras, err := parseExtras(rest[at+1:])
	return rest[:at], extras, err
}
