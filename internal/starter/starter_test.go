package starter_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/starter"
	"github.com/keep-it-simple/kis/inventory"
)

// tree writes files, and returns their directory.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "A project")
	for name, text := range files {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	return dir
}

func TestProjectsAreRecognized(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		files map[string]string
		want  starter.Project
	}{
		{
			"Django",
			map[string]string{
				"pyproject.toml": "[project]\nname = 'blog'\ndependencies = ['Django>=4.2']\n", "requirements.txt": "", "uv.lock": "",
				"manage.py":               "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'config.settings')\n",
				"config/settings/base.py": "STATIC_ROOT = 'x'\nMEDIA_ROOT = BASE_DIR / 'media'\nenv.read_env()\nENGINE = 'django.db.backends.sqlite3'\nNAME = 'db.sqlite3'\n", "config/settings/__init__.py": "",
			},
			starter.Project{
				Name: "blog", Framework: "Django", Backend: "setuptools", Requirements: "uv.lock", SharedDirs: []string{"media"}, SharedFiles: []string{".env"},
				Prepare: []string{"python manage.py collectstatic --noinput"}, Verify: []string{"python manage.py check --deploy"},
				BeforeLink: []string{"python manage.py migrate --noinput"},
				Notes:      []string{"The settings name the database file db.sqlite3: packages are read-only, so it belongs into a directory of shared."},
			},
		},
		{
			"Flask with poetry",
			map[string]string{
				"pyproject.toml": "[build-system]\nbuild-backend = 'poetry.core.masonry.api'\n[tool.poetry]\nname = 'notes'\n[tool.poetry.dependencies]\nflask = '^3'\n", "migrations/alembic.ini": "",
			},
			starter.Project{Name: "notes", Framework: "Flask", Backend: "poetry-core", BeforeLink: []string{"flask db upgrade"}},
		},
		{
			"Pyramid with setup.py",
			map[string]string{"setup.py": "setup(\n    name='wiki',\n    install_requires=['pyramid', 'waitress'])\n", "production.ini": "", "alembic.ini": ""},
			starter.Project{Name: "wiki", Framework: "Pyramid", Backend: "setuptools", SharedFiles: []string{"production.ini"}, BeforeLink: []string{"alembic upgrade head"}},
		},
		{
			"no framework, and one whose name is a part of another's",
			map[string]string{"pyproject.toml": "[project]\nname = 'tool'\ndependencies = ['django-environ', 'flasky']\n", "hosts.ini": ""},
			starter.Project{
				Name: "tool", Backend: "setuptools",
				Notes: []string{"If hosts.ini is an Ansible inventory, `ansible: hosts.ini` takes hosts and groups from it, and a stage has `hosts: [GROUP]`: kis help ansible."},
			},
		},
		{"no name", map[string]string{"setup.py": "setup()"}, starter.Project{Name: "a-project", Backend: "setuptools"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := starter.Inspect(tree(t, c.files))
			require.NoError(t, err)
			assert.Equal(t, c.want, got)
		})
	}
	_, err := starter.Inspect(tree(t, map[string]string{"pyproject.toml": "[project"}))
	require.Error(t, err)
}

func TestTheInventoryIsValidAndSaysWhatWasFound(t *testing.T) {
	t.Parallel()
	project := starter.Project{
		Name: "my.shop", Requirements: "requirements.lock", SharedDirs: []string{"media"}, Prepare: []string{"echo \"it's\": #1"}, Verify: []string{"python manage.py check --deploy"},
		BeforeLink: []string{"python manage.py migrate"},
	}
	text, err := starter.Text(starter.Options{Project: project, User: "deploy", Stages: []starter.Stage{
		{Name: "staging", Hosts: []string{"10.0.0.1"}},
		{Name: "production", Hosts: []string{"web[1:3]", "no"}, Units: []starter.Unit{
			{Name: "my.shop-worker.service", User: true, Exec: "/var/webcode/my.shop/production/.venv/bin/celery worker"},
			{Name: "my.shop.service", Exec: "gunicorn --bind unix:/run/shop.sock shop.wsgi"},
		}},
	}})
	require.NoError(t, err)
	inv, err := inventory.Parse("inventory.yaml", []byte(text), func(string) error { return nil })
	require.NoError(t, err)
	stage, err := inv.Stage("production")
	require.NoError(t, err)
	assert.Equal(t, "/run/shop.sock", stage.Health.Unix)
	assert.Len(t, stage.Services, 2)
	assert.True(t, stage.Services[0].User)
	assert.Equal(t, []inventory.Command{{Run: "python manage.py migrate", Once: true}}, stage.BeforeLink)
	assert.Equal(t, `echo "it's": #1`, inv.Prepare()[0].Run)
	hosts, err := inv.Select("production", "")
	require.NoError(t, err)
	assert.Len(t, hosts, 4)
	assert.Equal(t, "/var/webcode/my.shop", hosts[0].Root)
	assert.Equal(t, "deploy", hosts[0].SSH.User)

	_, err = starter.Text(starter.Options{Project: project, Stages: []starter.Stage{{Name: "staging", Hosts: []string{"a b"}}}})
	require.ErrorContains(t, err, `"a b" is not a host name`)
}

func TestUnitsOfTheApplicationAreThoseOfAllHosts(t *testing.T) {
	t.Parallel()
	p := starter.Project{Name: "my-shop"}
	const root = "/var/webcode/my-shop"
	named, worker := starter.Unit{Name: "my_shop.service"}, starter.Unit{Name: "my-shop-worker.service"}
	inside, runs := starter.Unit{Name: "web.service", Directory: root + "/production"}, starter.Unit{Name: "beat.service", Exec: root + "/production/.venv/bin/celery"}
	beside, other := starter.Unit{Name: "old.service", Directory: root + "-old"}, starter.Unit{Name: "nginx.service", Exec: "nginx"}
	all := []starter.Unit{named, worker, inside, runs, beside, other}
	assert.Equal(t, []starter.Unit{named, worker, inside, runs}, starter.Own([][]starter.Unit{all, all}, p, root, "live", nil))
	assert.Equal(t, []starter.Unit{named}, starter.Own([][]starter.Unit{all, {named, other}}, p, root, "live", nil))
	assert.Empty(t, starter.Own(nil, p, root, "live", nil))

	// Two stages on one host.
	shop := starter.Project{Name: "shop"}
	live, staging := starter.Unit{Name: "shop.service", Directory: "/srv/shop/current"}, starter.Unit{Name: "shop-staging.service", Directory: "/srv/shop-staging/current"}
	host := [][]starter.Unit{{live, staging}}
	assert.Equal(t, []starter.Unit{staging}, starter.Own(host, shop, "/srv/shop", "staging", []string{"production"}))
	assert.Equal(t, []starter.Unit{live}, starter.Own(host, shop, "/srv/shop", "production", []string{"staging"}))
}

// The command lines of the servers that Python applications run behind.
func TestAddressesOfServers(t *testing.T) {
	t.Parallel()
	for command, want := range map[string]string{
		"gunicorn --bind 127.0.0.1:8001 shop.wsgi":               "url: 'http://127.0.0.1:8001/'",
		"gunicorn -b 0.0.0.0:80 x:app":                           "url: 'http://127.0.0.1:80/'",
		"gunicorn --bind=[::1]:80 x:app":                         "url: 'http://[::1]:80/'",
		"gunicorn --bind unix:/run/a.sock x:app":                 "url: 'http://localhost/', unix: '/run/a.sock'",
		"uvicorn --host 10.0.0.1 --port 9000 x:app":              "url: 'http://10.0.0.1:9000/'",
		"uvicorn x:app --port=9000":                              "url: 'http://127.0.0.1:9000/'",
		"uvicorn --uds /run/b.sock x:app":                        "url: 'http://localhost/', unix: '/run/b.sock'",
		"waitress-serve --listen=*:8041 x:app":                   "url: 'http://127.0.0.1:8041/'",
		"daphne -b 127.0.0.1 -p 8002 x:app":                      "url: 'http://127.0.0.1:8002/'",
		"/usr/bin/env gunicorn --config gunicorn.conf.py x:app":  "",
		"gunicorn --bind fd://3 x:app":                           "",
		"celery --app shop worker --loglevel info --hostname a1": "",
	} {
		text, err := starter.Text(starter.Options{
			Project: starter.Project{Name: "shop"},
			Stages:  []starter.Stage{{Name: "live", Hosts: []string{"web1"}, Units: []starter.Unit{{Name: "shop.service", Exec: command}}}},
		})
		require.NoError(t, err, command)
		if want == "" {
			assert.Contains(t, text, "    #health: {url: 'http://127.0.0.1:8000/'}\n", command)
		} else {
			assert.Contains(t, text, "    health: {"+want+"}\n", command)
		}
	}
}
