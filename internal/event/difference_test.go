package event_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/event"
)

func TestCompare(t *testing.T) {
	t.Parallel()
	from := event.Side{
		Package: "app-1", Recipe: &event.Recipe{"prepare": "a", "shared": ""},
		Content:       []string{"d 0755 0 - empty", "f 0644 1 aa PKG-INFO", "f 0644 1 aa same", "f 0644 1 aa mode", "f 0644 1 aa gone"},
		Distributions: event.ParseDistributions([]string{"Django==4.2", "old_one==1"}),
	}
	to := event.Side{
		Package: "app-2", Recipe: &event.Recipe{"prepare": "b", "shared": ""},
		Content:       []string{"f 0644 1 bb PKG-INFO", "f 0644 1 aa same", "f 0755 1 aa mode", "l 0777 0 same new"},
		Distributions: event.ParseDistributions([]string{"# a comment==1", "django[argon2]==5.0 ; python_version > '3' --hash=sha256:aa", "--hash=x==1", "new.one==2 \\"}),
	}
	d := event.Compare(from, to)
	assert.Equal(t, []event.FileChange{{Path: "gone", Change: "removed"}, {Path: "mode", Change: "changed"}, {Path: "new", Change: "added"}}, d.Files)
	assert.Equal(t, []event.Distribution{{Name: "django", From: "4.2", To: "5.0"}, {Name: "new-one", To: "2"}, {Name: "old-one", From: "1"}}, d.Distributions)
	assert.Equal(t, []string{"prepare"}, d.Settings)
	assert.False(t, d.Same())

	again := from
	again.Package = to.Package
	bumped := event.Compare(to, again)
	assert.False(t, bumped.Same(), "this machine would push other content under the name of what is installed")
	assert.True(t, bumped.Refused())
	again.Host = "web2"
	assert.True(t, event.Compare(to, again).Same(), "an installed package is never changed")
	assert.False(t, d.Refused())

	same := to
	same.Package = "app-3"
	assert.True(t, event.Compare(to, same).Same())
	same.Content = nil
	unknown := event.Compare(to, same)
	assert.False(t, unknown.Same(), "what is not known is not the same")
	text, err := json.Marshal(unknown)
	require.NoError(t, err)
	assert.Contains(t, string(text), `"files":null,"distributions":[],"settings":[],"commits":[]`)
}
