package apps

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A project as the pages about other tools have it, without the framework: manage.py does what Django's would leave behind.
const (
	shopProject = `[build-system]
requires = ["setuptools>=61"]
build-backend = "setuptools.build_meta"
[project]
name = "shop"
dynamic = ["version"]
[tool.setuptools]
packages = ["shop"]
dynamic = {version = {file = "VERSION"}}
`
	shopServer = `import http.server, os, pathlib
VERSION = pathlib.Path(__file__).parent.parent.joinpath("VERSION").read_text()
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(VERSION.encode())
http.server.ThreadingHTTPServer(("127.0.0.1", 8000), Handler).serve_forever()
`
	shopManage = `import pathlib, sys
here = pathlib.Path(__file__).parent
if sys.argv[1] == "collectstatic":
    here.joinpath("static.txt").write_text("collected")
else:
    assert here.joinpath(".env").read_text() == "SECRET=1\n"
    with open(here / "media" / "migrations", "a") as f:
        f.write(here.joinpath("VERSION").read_text())
`
	shopUnit = `[Service]
User=deploy
WorkingDirectory=/srv/shop/production
ExecStart=/srv/shop/production/.venv/bin/python -m shop
[Install]
WantedBy=multi-user.target
`
)

// TestMovingARunningApplication follows docs/moving.md from step 3 on: nothing changes before the unit does, and the way back
// is one file.
func TestMovingARunningApplication(t *testing.T) {
	s := newSite(t, "web1", "web1")
	h := s.hosts["web1"]
	const dropIn = "/etc/systemd/system/shop.service.d/kis.conf"
	a := &app{site: s, name: "shop", dir: t.TempDir(), hosts: []string{"web1"}}
	for file, content := range map[string]string{
		"pyproject.toml": shopProject, "shop/__init__.py": "", "shop/__main__.py": shopServer, "MANIFEST.in": "include VERSION\n", "VERSION": "1.1",
		"inventory.yaml": "root: /srv/shop\nssh: {user: deploy}\nstages:\n  production:\n    hosts: [web1]\n    services: [shop.service]\n" +
			"    health: {url: 'http://127.0.0.1:8000/', expect: $KIS_VERSION, within: 3s}\n",
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(a.dir, file)), 0o755))
		a.write(file, content)
	}
	h.Write(t, "/etc/systemd/system/shop.service", strings.ReplaceAll(strings.ReplaceAll(shopUnit, "/srv/shop/production/.venv/bin/python", "/usr/bin/python3"), "/srv/shop/production", "/srv/shop/current"), 0o644)
	h.Write(t, "/etc/sudoers.d/shop", "deploy ALL=(root) NOPASSWD: /usr/bin/systemctl restart shop.service\n", 0o440)
	h.Shell(t, "mkdir -p /srv/shop/releases/1/shop && ln -s releases/1 /srv/shop/current && echo 1.0 >/srv/shop/current/VERSION && touch /srv/shop/current/shop/__init__.py")
	h.Write(t, "/srv/shop/current/shop/__main__.py", shopServer, 0o644)
	h.Shell(t, "chown -hR deploy:deploy /srv/shop; systemctl daemon-reload; systemctl restart shop")
	answers := func(want string) {
		t.Helper()
		assert.Equal(t, want, strings.TrimSpace(h.Shell(t, "curl -s --retry 20 --retry-connrefused --retry-delay 1 http://127.0.0.1:8000/")))
	}
	answers("1.0")

	r := a.kis("check", "production")
	require.Equal(t, 0, r.exit)
	assert.Contains(t, r.screen, "shop.service works in /srv/shop/current, not in /srv/shop/production, so that a switch does not change what it runs")
	require.Equal(t, 0, a.kis("push", "production", "--no-link").exit)
	answers("1.0")

	unit := "[Service]\nWorkingDirectory=/srv/shop/production\nExecStart=\nExecStart=/srv/shop/production/.venv/bin/python -m shop\n"
	h.Shell(t, "mkdir -p /etc/systemd/system/shop.service.d")
	h.Write(t, dropIn, unit, 0o644)
	h.Shell(t, "systemctl daemon-reload")
	answers("1.0")
	r = a.kis("check", "production")
	assert.NotContains(t, r.screen, "works in")

	// The first push fails after the link.
	a.write("VERSION", "1.2")
	a.write("shop/__main__.py", "raise SystemExit('broken')\n")
	require.Equal(t, 4, a.kis("push", "production").exit)
	h.Shell(t, "test ! -L /srv/shop/production; rm "+dropIn+"; systemctl daemon-reload; systemctl restart shop")
	answers("1.0")

	h.Write(t, dropIn, unit, 0o644)
	h.Shell(t, "systemctl daemon-reload")
	a.write("VERSION", "1.1")
	a.write("shop/__main__.py", shopServer)
	require.Equal(t, 0, a.kis("push", "production").exit)
	answers("1.1")
}

// TestComingFrom deploys what the pages about Capistrano, Ansible and Fabric say, to hosts that were deployed to by those.
func TestComingFrom(t *testing.T) {
	s := newSite(t, "web1", "web1", "web2")
	pages, err := filepath.Glob("../../../docs/coming-from-*.md")
	require.NoError(t, err)
	require.Len(t, pages, 3)
	for _, name := range []string{"web1", "web2"} {
		h := s.hosts[name]
		h.Write(t, "/etc/systemd/system/shop.service", shopUnit, 0o644)
		h.Write(t, "/etc/sudoers.d/shop", "deploy ALL=(root) NOPASSWD: /usr/bin/systemctl restart shop.service\n", 0o440)
		h.Shell(t, "systemctl daemon-reload")
	}
	for _, path := range pages {
		page := filepath.Base(path)
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		translated := regexp.MustCompile("(?s)\n## The same for kis\n.*?```yaml\n(.*?)```").FindSubmatch(text)
		require.NotNil(t, translated, page)
		a := &app{site: s, name: "shop", dir: t.TempDir(), hosts: []string{"web1", "web2"}}
		for file, content := range map[string]string{
			"pyproject.toml": shopProject, "shop/__init__.py": "", "shop/__main__.py": shopServer, "manage.py": shopManage, "MANIFEST.in": "include manage.py VERSION\n",
			"requirements.txt": "itsdangerous==2.2.0\n", "inventory.yaml": string(translated[1]), "VERSION": "1.4",
		} {
			require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(a.dir, file)), 0o755))
			a.write(file, content)
		}
		on := func(script string) (out []string) {
			for _, name := range a.hosts {
				out = append(out, strings.TrimSpace(s.hosts[name].Shell(t, script)))
			}
			return out
		}
		both := func(text string) []string { return []string{text, text} }
		const old = "mkdir -p /srv/shop/releases/20261129 /srv/shop/shop-1.3 /srv/shop/shared/media && ln -s releases/20261129 /srv/shop/current && ln -s shop-1.3 /srv/shop/production"
		on("systemctl stop shop; chmod -R u+w /srv/shop; rm -rf /srv/shop; " + old + " && echo SECRET=1 > /srv/shop/shared/.env && chown -hR deploy:deploy /srv/shop")

		require.Equal(t, 0, a.kis("check", "production").exit, page)
		require.Equal(t, 0, a.kis("push", "production").exit, page)
		assert.Equal(t, both("shop-1.4"), on("readlink /srv/shop/production"), page)
		assert.Equal(t, both("1.4"), on("curl -s http://127.0.0.1:8000/"), page)
		assert.Equal(t, []string{"1.4", ""}, on("cat /srv/shop/shared/media/migrations 2>/dev/null || true"), "%s: once", page)
		assert.Equal(t, both("collected"), on("cat /srv/shop/production/static.txt"), page)
		assert.Equal(t, both("releases/20261129"), on("readlink /srv/shop/current"), "%s: what the other tool made is left alone", page)
		a.write("VERSION", "1.5")
		require.Equal(t, 0, a.kis("push", "production").exit, page)
		assert.Equal(t, both("1.5"), on("curl -s http://127.0.0.1:8000/"), page)
		require.Equal(t, 0, a.kis("rollback", "production").exit, page)
		assert.Equal(t, both("1.4"), on("curl -s http://127.0.0.1:8000/"), page)
		a.write("VERSION", "1.3")
		assert.Equal(t, 3, a.kis("push", "production").exit, "%s: a directory that kis did not make", page)
		on("test -d /srv/shop/shop-1.3")
	}
}
