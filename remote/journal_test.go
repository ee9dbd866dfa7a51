package remote_test

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/remote"
)

// line is a journal line as the agent writes it.
func line(members string) string {
	return fmt.Sprintf(`{%s,"crc":"%08x"}`, members, crc32.ChecksumIEEE([]byte("{"+members+"}")))
}

// journal makes a journal of steps such as "push a-1 a-2 confirmed": operation, from, to, events;
// "-" is no link.
func journal(steps ...string) remote.Journal {
	var lines []string
	for i, step := range steps {
		words := strings.Fields(step)
		for _, event := range append([]string{"armed"}, words[3:]...) {
			from, to := strings.Trim(words[1], "-"), words[2]
			lines = append(lines, line(fmt.Sprintf(`"v":1,"seq":%d,"run":"run%d","op":%q,"from":%q,"to":%q,"ev":%q`, len(lines)+1, i, words[0], from, to, event)))
		}
	}
	return remote.ParseJournal(lines)
}

func TestPreviousIsWhatWasConfirmedBefore(t *testing.T) {
	t.Parallel()
	const done = " linked confirmed"
	first, second, third := "push - a-1"+done, "push a-1 a-2"+done, "push a-2 a-3"+done
	for name, test := range map[string]struct {
		steps         []string
		current, want string
	}{
		"nothing yet":                   {nil, "", ""},
		"first push":                    {[]string{first}, "a-1", ""},
		"two pushes":                    {[]string{first, second}, "a-2", "a-1"},
		"three pushes":                  {[]string{first, second, third}, "a-3", "a-2"},
		"rolled back once":              {[]string{first, second, third, "rollback a-3 a-2" + done}, "a-2", "a-1"},
		"rolled back twice":             {[]string{first, second, third, "rollback a-3 a-2" + done, "rollback a-2 a-1" + done}, "a-1", ""},
		"push after a rollback":         {[]string{first, second, "rollback a-2 a-1" + done, "push a-1 a-3" + done}, "a-3", "a-1"},
		"rolled back further":           {[]string{first, second, third, "rollback a-3 a-1" + done}, "a-1", ""},
		"rolled back to one never seen": {[]string{first, second, "rollback a-2 a-0" + done}, "a-0", "a-1"},
		"pushed again":                  {[]string{first, second, "push a-2 a-1" + done}, "a-1", "a-2"},
		"confirmed twice":               {[]string{first, second, "push a-1 a-2" + done}, "a-2", "a-1"},
		"never confirmed":               {[]string{first, "push a-1 a-2 linked unconfirmed", "push a-2 a-3" + done}, "a-3", "a-1"},
		"first never confirmed":         {[]string{"push - a-1 linked unconfirmed", second}, "a-2", ""},
		"reverted":                      {[]string{first, "push a-1 a-2 linked reverted"}, "a-1", ""},
		"aborted":                       {[]string{first, second, "push a-2 a-3 aborted"}, "a-2", "a-1"},
		"now unconfirmed":               {[]string{first, second, "push a-2 a-3 linked unconfirmed"}, "a-3", "a-2"},
		"rollback unconfirmed":          {[]string{first, second, "rollback a-2 a-1 linked unconfirmed"}, "a-1", ""},
		"linked before kis":             {[]string{"push a-0 a-1" + done}, "a-1", "a-0"},
		"linked before kis, elsewhere":  {[]string{"push ../old a-1" + done}, "a-1", ""},
		"linked by hand to the past":    {[]string{first, second, third}, "a-2", "a-1"},
		"linked by hand to the unknown": {[]string{first, second}, "b-1", "a-2"},
		"not linked any more":           {[]string{first, second}, "", "a-2"},
		"linked by name":                {[]string{first, second, "link a-2 a-1" + done}, "a-1", "a-2"},
		"promoted":                      {[]string{first, "promote a-1 a-2" + done}, "a-2", "a-1"},
	} {
		assert.Equal(t, test.want, journal(test.steps...).Previous(test.current).String(), name)
	}
}

func TestJournalOfAnAgentIsParsed(t *testing.T) {
	t.Parallel()
	l := installed(t, "1", "2")
	l.link(t, "", "app-1")
	change := l.change(t, "app-1", "app-2")
	change.Op = "promote"
	change.Note = remote.Note{
		By: "ann \"☃\" \x1b[31m@laptop", Git: "abc", Key: "SHA256:x", Scope: "subset", Hosts: []string{"web1", "web2"},
	}
	require.NoError(t, l.Arm(t.Context(), change, soon))
	require.NoError(t, l.Abort(t.Context()))
	facts, err := l.Check(t.Context(), remote.CheckRequest{Stage: l.stage})
	require.NoError(t, err)
	read := remote.ParseJournal(facts.Stage.Lines)
	require.Zero(t, read.Damaged)
	require.Len(t, read.Entries, 5)
	for i, e := range read.Entries {
		assert.Equal(t, i+1, e.Seq)
		assert.WithinDuration(t, time.Now(), e.At, time.Minute)
		assert.Equal(t, l.run.String(), e.Run)
	}
	e := read.Entries[3]
	assert.Equal(t, remote.Entry{
		Format: 1, Seq: 4, Boot: e.Boot, At: e.At, Run: l.run.String(), Event: "armed", Op: "promote", From: "app-1", To: "app-2", Content: e.Content,
		By: "ann \"☃\" \x1b[31m@laptop", Key: "SHA256:x", Git: "abc", Scope: "subset", Hosts: []string{"web1", "web2"},
	}, e)
	assert.True(t, strings.HasPrefix(e.Content, "sha256:"))
	last, ok := read.Last()
	require.True(t, ok)
	assert.Equal(t, "aborted", last.Reason)
	assert.Equal(t, "app-1", read.Entries[2].To)
}

// The names of many hosts do not fit into a line, which then omits them.
func TestLongJournalLineIsStillOneLine(t *testing.T) {
	t.Parallel()
	l := installed(t, "1")
	change := l.change(t, "", "app-1")
	change.Note = remote.Note{By: "ann", Hosts: strings.Fields(strings.Repeat("web1.example.org ", 1000))}
	require.NoError(t, l.Arm(t.Context(), change, soon))
	text, err := os.ReadFile(filepath.Join(l.root, ".kis/journal/staging"))
	require.NoError(t, err)
	require.Less(t, len(text), 4096)
	last, ok := remote.ParseJournal([]string{strings.TrimSpace(string(text))}).Last()
	require.True(t, ok)
	require.Equal(t, "ann", last.By)
	require.Empty(t, last.Hosts)
}

// A torn line must not swallow the next one.
func TestAgentWritesOnAfterDamage(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		damage string
		want   []string
	}{
		"torn last line":  {`truncate -s -10 staging`, []string{"armed", "linked", "damaged", "armed", "linked", "confirmed"}},
		"only newline":    {`truncate -s -1 staging`, []string{"armed", "linked", "confirmed", "armed", "linked", "confirmed"}},
		"zeros at end":    {`truncate -s +100 staging`, []string{"armed", "linked", "confirmed", "damaged", "armed", "linked", "confirmed"}},
		"flipped bit":     {`sed -i 2s/app/bpp/ staging`, []string{"armed", "damaged", "confirmed", "armed", "linked", "confirmed"}},
		"foreign line":    {`echo hello >>staging`, []string{"armed", "linked", "confirmed", "damaged", "armed", "linked", "confirmed"}},
		"all gone":        {`: >staging`, []string{"armed", "linked", "confirmed"}},
		"not even a file": {`rm staging`, []string{"armed", "linked", "confirmed"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := installed(t, "1", "2")
			l.link(t, "", "app-1")
			sh(t, filepath.Join(l.root, ".kis/journal"), test.damage)
			l.link(t, "app-1", "app-2")
			requireEvents(t, l.root, test.want...)
		})
	}
}

func TestDamagedLinesAreCountedAndSkipped(t *testing.T) {
	t.Parallel()
	good, torn := line(`"seq":1,"ev":"armed"`), line(`"seq":2,"ev":"linked"`)[:20]
	for name, test := range map[string]struct {
		lines           []string
		entries, damage int
	}{
		"none":                {nil, 0, 0},
		"good":                {[]string{good, good}, 2, 0},
		"torn at the end":     {[]string{good, torn}, 1, 0},
		"torn in the middle":  {[]string{good, torn, good}, 2, 1},
		"no checksum":         {[]string{`{"seq":1}`, good}, 1, 1},
		"wrong checksum":      {[]string{strings.Replace(good, `"seq":1`, `"seq":9`, 1), good}, 1, 1},
		"other types":         {[]string{line(`"seq":"1"`), good}, 1, 1},
		"no object":           {[]string{line(`1`), good}, 1, 1},
		"checksum by a value": {[]string{line(`"ev":"armed","note":",\"crc\":\"00000000\"}"`), good}, 2, 0},
		"checksum cut short":  {[]string{good, `{"seq":2,"crc":"}`, good}, 2, 1},
		"only a checksum":     {[]string{`,"crc":"}`, `,"crc":""}`, `"}`, `}`, good}, 1, 4},
		"an unknown event":    {[]string{line(`"seq":1,"ev":"dreamt"`), good}, 1, 1},
		"no event":            {[]string{line(`"seq":1`), good}, 1, 1},
		"nested too deeply":   {[]string{line(`"ev":"armed","x":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000)), good}, 1, 1},
		"damaged at the end":  {[]string{good, strings.Replace(good, `"seq":1`, `"seq":9`, 1)}, 1, 1},
	} {
		read := remote.ParseJournal(test.lines)
		assert.Len(t, read.Entries, test.entries, name)
		assert.Equal(t, test.damage, read.Damaged, name)
	}
}

func TestLinesOfALaterFormatAreCountedAndSkipped(t *testing.T) {
	t.Parallel()
	read := remote.ParseJournal([]string{line(`"v":1,"seq":1,"ev":"confirmed"`), line(`"v":2,"seq":2,"ev":"confirmed"`)})
	assert.Len(t, read.Entries, 1)
	assert.Equal(t, 1, read.Later)
}

// FuzzParseJournal: every line is read, damaged, or of a later format; and whatever could be read
// can be folded and written down. A line that lacks its checksum is given one, so that its members
// are parsed as well.
func FuzzParseJournal(f *testing.F) {
	f.Add(line(`"seq":1,"ev":"confirmed","op":"push","from":"a-1","to":"a-2"`)+"\n"+line(`"seq":2,"ev":"confirmed","op":"rollback","to":"a-1"`), "a-2")
	f.Add(`{,"crc":""}`+"\n"+`,"crc":"00000000"}`, "")
	f.Add(line(`"ev":"armed"`)+"\n"+`{"seq":2,"crc":"}`+"\n"+`,"crc":"}`, "a-1")
	f.Add(`{"v":2,"ev":{}}`+"\n"+`{"ev":"ended","run":"x","by":"y"}`+"\n"+`{"ev":"linked","requested":"2026-11-01T12:00:00+24:00"}`, "a-1")
	f.Add(`{"ev":"linked","skew":1e999,"seq":9223372036854775808,"hosts":[null],"x":[[]]}`, "")
	f.Add(`{"ev":"linked","before":{"to":"a-1","since":"2026-11-01T12:00:00Z","confirmed":true,"packages":["a-0","a-1",null]}}`+"\n"+`{"ev":"aborted","before":{"since":1}}`+"\n"+`{"ev":"aborted","before":[]}`, "a-1")
	f.Fuzz(func(t *testing.T, text, current string) {
		lines := strings.Split(text, "\n")
		for i, l := range lines {
			if strings.HasPrefix(l, "{") && strings.HasSuffix(l, "}") && !strings.Contains(l, `"crc":"`) {
				lines[i] = line(l[1:max(1, len(l)-1)])
			}
		}
		j := remote.ParseJournal(lines)
		read := min(len(lines), remote.MaxLines)
		if n := len(j.Entries) + len(j.Ended) + j.Damaged + j.Later; n > read || n < read-1 {
			t.Errorf("%d lines are %d entries, %d remarks, %d later and %d damaged", len(lines), len(j.Entries), len(j.Ended), j.Later, j.Damaged)
		}
		if p := j.Previous(current); !p.IsZero() && p.String() == current {
			t.Errorf("a rollback from %q to itself", current)
		}
		last, some := j.Last()
		if open, is := j.Open(); is && (!some || open.Run != last.Run) {
			t.Errorf("open is %v, last is %v", open, last)
		}
		_, err := json.Marshal(j)
		require.NoError(t, err)
	})
}

// The lines of a newer kis may mean something else. This one can read them, and does not write.
func TestStageWithANewerJournalIsNotChanged(t *testing.T) {
	t.Parallel()
	for name, members := range map[string]string{
		"another format":     `"v":2,"seq":9,"ev":"armed","run":"0123456789","from":null,"to":"app-1"`,
		"no format":          `"seq":9,"ev":"armed","to":"app-1"`,
		"no sequence either": `"v":2`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			older := installed(t, "1")
			older.link(t, "", "app-1")
			require.NoError(t, older.Close())
			l := opened(t, older.root)
			path := filepath.Join(l.root, ".kis/journal/staging")
			before, err := os.ReadFile(path)
			require.NoError(t, err)
			before = append(before, line(members)+"\n"...)
			require.NoError(t, os.WriteFile(path, before, 0o600))
			prepared := filepath.Join(l.root, ".kis/armed/staging.0123456789")
			require.NoError(t, os.Symlink("app-1", prepared))
			_, err = l.Lock(t.Context(), older.stage, newRun(), remote.Holder{})
			requireRefused(t, err, "newer-format")
			after, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, string(before), string(after))
			_, err = os.Lstat(prepared)
			require.NoError(t, err, "what the newer one has prepared is its own")
			facts, err := l.Check(t.Context(), remote.CheckRequest{Stage: older.stage})
			require.NoError(t, err)
			require.Equal(t, "app-1", facts.Stage.Linked)
			l.lock(t, "production") // others are not concerned
		})
	}
}

// An older kis that terminates a run appends a remark to the lines of a newer one. The journal is
// still of the newer format.
func TestRemarkAfterNewerLinesChangesNothing(t *testing.T) {
	t.Parallel()
	older := installed(t, "1")
	older.link(t, "", "app-1")
	require.NoError(t, older.Close())
	path := filepath.Join(older.root, ".kis/journal/staging")
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	text = append(text, line(`"v":2,"seq":4,"ev":"armed","run":"0123456789","to":"app-1"`)+"\n"+line(`"v":1,"seq":5,"ev":"ended","run":"0123456789","by":"bob@desk"`)+"\n"...)
	require.NoError(t, os.WriteFile(path, text, 0o600))
	l := opened(t, older.root)
	_, err = l.Lock(t.Context(), older.stage, newRun(), remote.Holder{})
	requireRefused(t, err, "newer-format")
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(text), string(after))
}
