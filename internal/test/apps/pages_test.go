package apps

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// application is one of the pages, and what its tests have to know of it.
type application struct {
	page, name string
	port       int // of production
	file       string
	healthy    string // a text of the file, and what breaks its health check
	broken     string
}

func applications() []application {
	query := func(table string) string { return "db.execute(sa.select(" + table + ").limit(1))" }
	const broken = `db.execute(sa.text("select no_such_column"))`
	return []application{
		{"django.md", "blog", 8000, "posts/views.py", "Post.objects.first()", `Post.objects.raw("select no_such_column")[0]`},
		{"flask.md", "notes", 8010, "notes/__init__.py", query("note"), broken},
		{"pyramid.md", "wiki", 8020, "wiki/__init__.py", query("page"), broken},
		{"fastapi.md", "api", 8030, "src/api/__init__.py", query("item"), broken},
	}
}

// TestPages follows the pages of the applications, all on the same three hosts. Each application is pushed to staging and to
// production, which have a host in common; then a push fails before the link, the same push succeeds, one fails by its health
// check, and a rollback follows. What the applications of the other pages have on the hosts must not change meanwhile.
func TestPages(t *testing.T) {
	s := newSite(t, "front", "web1", "web2", "web3", "db1", "front")
	var before []*app
	for _, of := range applications() {
		a := s.follow(of.page, of.name, "web1", "web2", "web3")
		others := states(before)
		a.live(of)
		assert.Equal(t, others, states(before), "%s has changed something of another application", of.name)
		before = append(before, a)
	}
}

// live is the life of an application on its page, and the pushes that fail.
func (a *app) live(of application) {
	a.t.Helper()
	for _, section := range []string{"The project", "The hosts", "The settings of a stage", "The inventory"} {
		a.page.Follow(section)
	}
	a.site.hosts["db1"].Shell(a.t, `cd /; su postgres -c "psql -qc 'ALTER SYSTEM SET log_statement = ddl' -c 'SELECT pg_reload_conf()'"`)
	pushed := a.page.Follow("Push")
	assert.Equal(a.t, 2, strings.Count(pushed, "before_link"), "once for each stage")
	a.stagesAreApart()

	a.page.Follow("The next version, with a migration")
	first, second := a.name+"-1.0", a.name+"-1.1"
	a.logIn(false)
	r := a.run(3, "production", second, "push", "production")
	assert.Contains(a.t, r.screen, "web1: before_link: ")
	assert.NotContains(a.t, r.screen, "web2: ", "it runs on one host")
	assert.Equal(a.t, []string{first, first, first}, a.links("production"))
	a.logIn(true)
	a.answers(of, "1.0")
	a.page.Follow("To production")
	assert.Equal(a.t, map[string]int{"staging": 1, "production": 1}, a.columnsAdded(), "by one of three hosts")
	a.answers(of, "1.1")

	a.version("1.1", "1.2")
	a.replace(of.file, of.healthy, of.broken)
	r = a.run(4, "production", a.name+"-1.2", "push", "production")
	assert.Contains(a.t, r.screen, "web1: health: ")
	assert.Equal(a.t, []string{second, second, second}, a.links("production"))
	a.answers(of, "1.1")
	assert.Equal(a.t, []string{second, "", ""}, a.links("staging"))

	a.page.Follow("Roll back")
	assert.Equal(a.t, []string{first, first, first}, a.links("production"))
	a.answers(of, "1.0")
	assert.Equal(a.t, []string{second, "", ""}, a.links("staging"))
	a.stagesAreApart()
}

// logIn lets the production of an application log in to its database, or not.
func (a *app) logIn(may bool) {
	a.t.Helper()
	word := "NOLOGIN"
	if may {
		word = "LOGIN"
	}
	a.site.hosts["db1"].Shell(a.t, fmt.Sprintf("cd /; su postgres -c 'psql -qc \"ALTER ROLE %s_production %s\"'", a.name, word))
}

// answers asks the production of every host itself: not the balancer, which hides hosts that do not answer.
func (a *app) answers(of application, version string) {
	a.t.Helper()
	for _, name := range a.hosts {
		got := a.site.hosts[name].Shell(a.t, fmt.Sprintf("curl -sS -H 'Host: %s.example.com' http://127.0.0.1:%d/healthz", a.name, of.port))
		assert.Equal(a.t, a.name+" "+version+"\n", got, name)
	}
}

// stagesAreApart checks that no process has a setting of the other stage, and no package of any.
func (a *app) stagesAreApart() {
	a.t.Helper()
	for stage, other := range map[string]string{"production": "staging", "staging": "production"} {
		unit := a.name + "@" + stage + ".service"
		environ := a.site.hosts["web1"].Shell(a.t, "for p in $(cat /sys/fs/cgroup$(systemctl show -p ControlGroup --value "+unit+")/cgroup.procs); do tr '\\0' '\\n' </proc/$p/environ; done")
		assert.Contains(a.t, environ, "STAGE="+stage+"\n")
		assert.Contains(a.t, environ, "PGUSER="+a.name+"_"+stage+"\n")
		assert.NotContains(a.t, environ, other)
	}
	for _, name := range a.hosts {
		a.site.hosts[name].Shell(a.t, fmt.Sprintf("cd /var/webcode/%s && ! grep -rlF change-me %s-*", a.name, a.name))
	}
}

// columnsAdded counts by stage how often the application's migrations have added a column, as the database has logged it: the
// name of the migration is recorded once whatever happens, the statement as often as it was executed.
func (a *app) columnsAdded() map[string]int {
	a.t.Helper()
	all := map[string]int{}
	for _, stage := range []string{"staging", "production"} {
		user := a.name + "_" + stage
		found := a.site.hosts["db1"].Shell(a.t, fmt.Sprintf("cat /var/log/postgresql/postgresql-*-main.log | grep -cE ' %s@%s .*ALTER TABLE .* ADD COLUMN ' || :", user, user))
		n, err := strconv.Atoi(strings.TrimSpace(found))
		require.NoError(a.t, err)
		all[stage] = n
	}
	return all
}

// states is what applications have on the hosts: links, packages and the processes of their units.
func states(all []*app) []string {
	var found []string
	for _, a := range all {
		for _, name := range a.hosts {
			found = append(found, name+":\n"+a.site.hosts[name].Shell(a.t, fmt.Sprintf(
				"ls -l --time-style=full-iso /var/webcode/%[1]s; systemctl show -p Id,MainPID,ActiveState '%[1]s@*.service'", a.name)))
		}
	}
	return found
}
