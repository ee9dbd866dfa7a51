package apps

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const shop = "http://shop.example.com/"

// TestNobodySeesADeployment: 200 requests a second during pushes, failing pushes and roll-backs, and none of them fails.
func TestNobodySeesADeployment(t *testing.T) {
	s := newSite(t, "front", "web1", "web2", "web3", "front", "www1")
	a := s.follow("zero-downtime.md", "shop", "web1", "web2", "web3")
	a.page.Follow("The project")
	a.page.Follow("Several hosts")

	v := s.visit("front", shop, false)
	a.page.Follow("Push")
	v.sawNothing("1.0", "1.1")
	v = s.visit("front", shop, false)
	a.page.Follow("A push that fails")
	v.sawNothing("1.1")
	assert.Equal(t, []string{"shop-1.1", "shop-1.1", "shop-1.1"}, a.links("production"))

	// A version that starts and answers every request with an error, until its health check has rolled it back.
	before := s.hosts["web2"].Shell(t, "systemctl show -p MainPID --value shop")
	a.write("shop/wsgi.py", "from shop import application\n")
	a.version("1.2", "1.3")
	a.replace("shop/__init__.py", `start_response("200 OK"`, `start_response("500 No"`)
	v = s.visit("front", shop, false)
	r := a.run(4, "production", "shop-1.3", "push", "production")
	assert.Contains(t, r.screen, "the status is 500, not 200")
	v.sawNothing("1.1")
	assert.Equal(t, before, s.hosts["web2"].Shell(t, "systemctl show -p MainPID --value shop"), "the hosts of later batches are not touched")
	a.replace("shop/__init__.py", `start_response("500 No"`, `start_response("200 OK"`)

	v = s.visit("front", shop, false)
	a.page.Follow("Roll back")
	v.sawNothing("1.0", "1.1")

	a.version("1.3", "1.2") // where the page left it
	a.page.Follow("One host")
	one := *a
	one.hosts = []string{"www1"}
	v = s.visit("www1", shop, true)
	one.version("2.0", "2.1")
	one.run(0, "production", "shop-2.1", "-i", "one.yaml", "push", "production")
	v.sawNothing("2.0", "2.1")
	one.version("2.1", "2.2")
	one.write("shop/wsgi.py", "import os\n\nfrom shop import application\n\napplication.key = os.environ[\"PAYMENT_KEY\"]\n")
	v = s.visit("www1", shop, true)
	one.run(4, "production", "shop-2.2", "-i", "one.yaml", "push", "production")
	v.sawNothing("2.1")
	one.version("2.2", "2.3") // whose health check fails, while visitors get what they ask for
	one.write("shop/wsgi.py", "from shop import application\n")
	one.replace("shop/__init__.py", `{page}shop {VERSION}`, `{page or 'not '}{VERSION}`)
	v = s.visit("www1", shop, true)
	r = one.run(4, "production", "shop-2.3", "-i", "one.yaml", "push", "production")
	require.Contains(t, r.screen, "the body does not contain 'shop 2.3'")
	v.sawNothing("2.1", "2.3")
	v = s.visit("www1", shop, true)
	one.run(0, "production", "shop-2.0", "-i", "one.yaml", "rollback", "production")
	v.sawNothing("2.0", "2.1")
}
