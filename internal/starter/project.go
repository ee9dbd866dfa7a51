package starter

import (
	"cmp"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/keep-it-simple/kis/internal/name"
)

// Project is what a project says of itself.
type Project struct {
	Name         string   `json:"name"`         // of the distribution, as a host's directory has it
	Framework    string   `json:"framework"`    // Django, Flask, FastAPI, Pyramid, or "" for another
	Backend      string   `json:"backend"`      // what builds it, such as hatchling
	Requirements string   `json:"requirements"` // the file that pins what it needs, relative; "" for none
	SharedDirs   []string `json:"shared_dirs"`
	SharedFiles  []string `json:"shared_files"`
	Prepare      []string `json:"prepare"`
	Verify       []string `json:"verify"`      // of each stage
	BeforeLink   []string `json:"before_link"` // once per push
	Notes        []string `json:"notes"`       // what kis cannot decide
}

// pyproject is the part of pyproject.toml that matters here.
type pyproject struct {
	Project struct {
		Name         string   `toml:"name"`
		Dependencies []string `toml:"dependencies"`
	} `toml:"project"`
	Build struct {
		Backend  string   `toml:"build-backend"`
		Requires []string `toml:"requires"`
	} `toml:"build-system"`
	Tool struct {
		Poetry struct {
			Name         string         `toml:"name"`
			Dependencies map[string]any `toml:"dependencies"`
		} `toml:"poetry"`
	} `toml:"tool"`
}

// Inspect reads a project's files, and runs none of them.
func Inspect(dir string) (Project, error) {
	var described pyproject
	text := read(dir, "pyproject.toml")
	if err := toml.Unmarshal([]byte(text), &described); err != nil {
		return Project{}, err
	}
	p := Project{Backend: backend(described.Build.Backend)}
	setup := read(dir, "setup.cfg") + "\n" + read(dir, "setup.py")
	p.Name = distribution(dir, cmp.Or(described.Project.Name, described.Tool.Poetry.Name, firstMatch(setupName, setup)))
	for _, file := range []string{"requirements.lock", "pylock.toml", "uv.lock", "requirements.txt"} {
		if p.Requirements == "" && exists(dir, file) {
			p.Requirements = file
		}
	}
	needs := slices.Clone(described.Project.Dependencies)
	for dependency := range described.Tool.Poetry.Dependencies {
		needs = append(needs, dependency)
	}
	p.Framework = framework(dir, strings.Join(needs, "\n")+"\n"+setup+"\n"+read(dir, p.Requirements))
	p.settings(dir)
	p.migrations(dir)
	for _, file := range []string{"hosts.ini", "inventory.ini", "hosts.yml", "hosts.yaml"} {
		if exists(dir, file) {
			p.Notes = append(p.Notes, "If "+file+" is an Ansible inventory, `ansible: "+file+"` takes hosts and groups from it, and a stage has `hosts: [GROUP]`: kis help ansible.")
		}
	}
	return p, nil
}

var (
	setupName = regexp.MustCompile(`(?m)^\s*name\s*=\s*["']?([A-Za-z0-9][A-Za-z0-9._-]*)`)
	word      = regexp.MustCompile(`[A-Za-z0-9][A-Za-z0-9._-]*`)
)

// distribution is a name that is one of packages on hosts; that of the directory if the project has none.
func distribution(dir, given string) string {
	for _, text := range []string{given, filepath.Base(dir)} {
		text = strings.ToLower(strings.ReplaceAll(text, " ", "-"))
		if _, err := name.ParseProject(text); err == nil {
			return text
		}
	}
	return "app"
}

// framework is the first of the known ones that the project needs.
func framework(dir, needs string) string {
	words := map[string]bool{}
	for _, found := range word.FindAllString(strings.ToLower(needs), -1) {
		words[found] = true
	}
	for _, known := range []string{"Django", "FastAPI", "Flask", "Pyramid"} {
		if words[strings.ToLower(known)] {
			return known
		}
	}
	if exists(dir, "manage.py") {
		return "Django"
	}
	return ""
}

// backend is the name by which a build backend is known.
func backend(module string) string {
	top, _, _ := strings.Cut(module, ".")
	return cmp.Or(map[string]string{"poetry": "poetry-core", "pdm": "pdm-backend", "flit_core": "flit", "mesonpy": "meson-python", "scikit_build_core": "scikit-build-core", "": "setuptools"}[top], top)
}

// settings finds what packages share, and what Django collects.
func (p *Project) settings(dir string) {
	if exists(dir, ".env") || exists(dir, ".env.example") {
		p.SharedFiles = append(p.SharedFiles, ".env")
	}
	switch p.Framework {
	case "Django":
		p.django(dir)
	case "Pyramid":
		if exists(dir, "production.ini") {
			p.SharedFiles = append(p.SharedFiles, "production.ini")
		}
	}
}

var (
	settingsModule = regexp.MustCompile(`DJANGO_SETTINGS_MODULE["'],\s*["']([A-Za-z0-9_.]+)["']`)
	mediaRoot      = regexp.MustCompile(`(?m)^MEDIA_ROOT\s*=.*["']([A-Za-z0-9_][A-Za-z0-9_./-]*)["']`)
	staticRoot     = regexp.MustCompile(`(?m)^STATIC_ROOT\s*=`)
	sqliteFile     = regexp.MustCompile(`["']([A-Za-z0-9_./-]+\.sqlite3?)["']`)
	dotEnv         = regexp.MustCompile(`\.env\b|read_env|load_dotenv|decouple`)
)

func (p *Project) django(dir string) {
	module := firstMatch(settingsModule, read(dir, "manage.py"))
	settings := readModule(dir, module)
	if staticRoot.MatchString(settings) {
		p.Prepare = append(p.Prepare, "python manage.py collectstatic --noinput")
	}
	if media := firstMatch(mediaRoot, settings); media != "" {
		p.SharedDirs = append(p.SharedDirs, strings.Trim(media, "/"))
	}
	if dotEnv.MatchString(settings) && !slices.Contains(p.SharedFiles, ".env") {
		p.SharedFiles = append(p.SharedFiles, ".env")
	}
	if file := firstMatch(sqliteFile, strings.ReplaceAll(settings, "django.db.backends.sqlite3", "")); file != "" {
		p.Notes = append(p.Notes, "The settings name the database file "+file+": packages are read-only, so it belongs into a directory of shared.")
	}
	p.Verify = append(p.Verify, "python manage.py check --deploy")
	p.BeforeLink = append(p.BeforeLink, "python manage.py migrate --noinput")
}

// migrations finds the other tools that change databases.
func (p *Project) migrations(dir string) {
	switch {
	case len(p.BeforeLink) > 0:
	case p.Framework == "Flask" && exists(dir, "migrations", "alembic.ini"):
		p.BeforeLink = append(p.BeforeLink, "flask db upgrade")
	case exists(dir, "alembic.ini"):
		p.BeforeLink = append(p.BeforeLink, "alembic upgrade head")
	}
}

// readModule is the text of a Python module, or of all modules of a package.
func readModule(dir, module string) string {
	if module == "" {
		return ""
	}
	path := filepath.Join(strings.Split(module, ".")...)
	for _, below := range []string{".", "src"} {
		if text := read(dir, below, path+".py"); text != "" {
			return text + "\n" + siblings(dir, below, filepath.Dir(path))
		}
		if exists(dir, below, path, "__init__.py") {
			return siblings(dir, below, path)
		}
	}
	return ""
}

// siblings are the modules of a package whose names begin with settings, or all of a package of settings.
func siblings(dir, below, path string) string {
	files, _ := fs.Glob(os.DirFS(dir), filepath.ToSlash(filepath.Join(below, path, "*.py"))) // the pattern is correct
	var all []string
	for _, file := range files {
		if strings.Contains(file, "settings") {
			all = append(all, read(filepath.Join(dir, file)))
		}
	}
	return strings.Join(all, "\n")
}

// maxRead bounds what is read of a file.
const maxRead = 1 << 20

// read is the text of a small file; "" where there is none.
func read(parts ...string) string {
	path := filepath.Join(parts...)
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxRead {
		return ""
	}
	text, _ := os.ReadFile(path) // one that cannot be read says nothing
	return string(text)
}

func exists(parts ...string) bool {
	_, err := os.Stat(filepath.Join(parts...))
	return err == nil
}

func firstMatch(pattern *regexp.Regexp, text string) string {
	if found := pattern.FindStringSubmatch(text); found != nil {
		return found[1]
	}
	return ""
}
