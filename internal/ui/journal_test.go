package ui

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/event"
)

// Lines of systemd 247 and of 257, whose zones differ.
func TestJournalsAreMergedByTime(t *testing.T) {
	t.Parallel()
	at := func(text string) string {
		when, err := time.Parse(time.RFC3339Nano, text)
		require.NoError(t, err)
		return when.Local().Format("2006-01-02 15:04:05.000")
	}
	var out, errs bytes.Buffer
	u := UI{Streams: Streams{Out: Printer{&out}, Err: Printer{&errs}}}
	j := u.Journal([]string{"web1", "db"}, false)
	j.Line("web1", "2026-11-29T20:15:33.500000+0000 host-a shop[12]: second")
	j.Line("web1", "      of two lines")
	j.Line("web1", "2026-11-29T20:15:35.000000+0000 host-a shop[12]: \x1b[31mfourth")
	j.Line("db", "2026-11-29T20:15:33.400000+00:00 host-b postgres[7]: first")
	j.Line("db", "2026-11-29T20:15:34.000000+00:00 host-b postgres[7]: third")
	assert.Empty(t, out.String(), "not before all are known")
	j.End([]event.Ran{{Host: "web1"}, {Host: "db", Exit: 1, Ended: "exit status 1"}})
	assert.Equal(t, "db    "+at("2026-11-29T20:15:33.4Z")+"  postgres[7]: first\n"+
		"web1  "+at("2026-11-29T20:15:33.5Z")+"  shop[12]: second\n"+
		"web1  "+at("2026-11-29T20:15:33.5Z")+"        of two lines\n"+
		"db    "+at("2026-11-29T20:15:34Z")+"  postgres[7]: third\n"+
		"web1  "+at("2026-11-29T20:15:35Z")+"  shop[12]: "+`\x1b[31mfourth`+"\n", out.String())
	assert.Equal(t, "db: journalctl: exit status 1\n", errs.String())
}

func TestFollowedJournalsArePrintedAsTheyArrive(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	u := UI{Streams: Streams{Out: Printer{&out}}}
	j := u.Journal([]string{"web1"}, true)
	j.Line("web1", "no time")
	assert.Equal(t, "web1    no time\n", out.String())
}
