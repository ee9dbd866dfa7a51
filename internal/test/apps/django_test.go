package apps

import "testing"

func TestDjango(t *testing.T) {
	s := newSite(t, "front", "web1", "web2", "web3", "db1", "front")
	a := s.follow("django.md", "blog", "web1", "web2", "web3")
	for _, section := range []string{"The project", "The hosts", "The settings of a stage", "The inventory", "Push", "The next version, with a migration", "Roll back"} {
		a.page.Follow(section)
	}
}
