package remote_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/remote"
)

// values are JSON values of many types, and invalid ones.
func values() []string {
	return []string{
		`null`, `true`, `false`, `0`, `-0`, `1`, `-1`, `2`, `1.0`, `1e2`, `0.5`, `1e308`, `1e999`, `-1e999`, `NaN`, `Infinity`, `9007199254740992`, `9223372036854775807`, `9223372036854775808`,
		`-9223372036854775808`, `-9223372036854775809`, strings.Repeat("9", 400), strings.Repeat("9", 5000), `""`, `"x"`, `"app-1"`, `"app-2"`, `"../x"`, `"\ud800"`, `"\u0000"`, `"\udcff"`, `"é☃"`,
		`"armed"`, `"linked"`, `"confirmed"`, `"ended"`, `"Linked"`, `"push"`, `"2026-11-01T12:00:00Z"`, `"2026-11-01T12:00:00.123456789+01:30"`, `"2026-11-01T12:00:00,5Z"`, `"2026-11-01t12:00:00z"`,
		`"2026-02-29T12:00:00Z"`, `"2024-02-29T12:00:00Z"`, `"1900-02-29T00:00:00Z"`, `"2000-02-29T00:00:00Z"`, `"0000-02-29T00:00:00Z"`, `"2026-11-31T12:00:00Z"`, `"2026-13-01T12:00:00Z"`,
		`"2026-00-01T12:00:00Z"`, `"2026-01-00T12:00:00Z"`, `"2026-11-01T24:00:00Z"`, `"2026-11-01T12:60:00Z"`, `"2026-11-01T12:00:60Z"`, `"2026-11-01T12:00:00"`, `"2026-11-01 12:00:00Z"`,
		`"2026-11-01T12:00:00+24:00"`, `"2026-11-01T12:00:00+23:59"`, `"2026-11-01T12:00:00-23:60"`, `"2026-11-01T12:00:00+12:60"`, `"2026-11-01T12:00:00+12:61"`, `"2026-11-01T12:00:00+99:00"`, `"2026-1-1T1:0:0Z"`, `"20261-11-01T12:00:00Z"`, `"２026-11-01T12:00:00Z"`, `"2026-11-01T12:00:00.Z"`,
		`[]`, `["a"]`, `["a",null]`, `["a",1]`, `[[]]`, `[{}]`, `[["a"]]`, `{}`, `{"a":1}`, `{"a":{}}`, `{"a":[1]}`, strings.Repeat("[", 200) + strings.Repeat("]", 200),
		strings.Repeat("[", 3000) + strings.Repeat("]", 3000), strings.Repeat(`{"a":`, 3000) + `1` + strings.Repeat("}", 3000), strings.Repeat("[", 20_000),
	}
}

// texts are files and lines that are not JSON objects.
func texts() []string {
	return []string{
		"", " ", "{", "}", "{}", "[]", "[1]", "null", "true", "1", `"x"`, "NaN", "\x00", "\xff\xfe{}", "\xef\xbb\xbf{}", `{"a":}`, `{"a":1,}`, `{"a":1}{}`, `{"a":"` + "\t" + `"}`, `{'a':1}`, "{\"a\":\"\xff\"}",
		strings.Repeat("[", 100_000), strings.Repeat(`{"v":`, 100_000), strings.Repeat("9", 100_000), strings.Repeat("x", 3<<20), strings.Repeat("\xff", 3<<20), strings.Repeat("\x00", 1<<20),
		`,"crc":"}`, `{,"crc":"}`, `{"v":1,"crc":"}`, `,"crc":""}`, `{,"crc":"00000000"}`, `"}`,
	}
}

// with is a JSON object with one member replaced or added.
func with(members map[string]string, name, value string) string {
	var all []string
	for n, v := range members {
		if n != name {
			all = append(all, fmt.Sprintf("%q:%s", n, v))
		}
	}
	slices.Sort(all)
	if value != "" {
		all = append(all, fmt.Sprintf("%q:%s", name, value))
	}
	return "{" + strings.Join(all, ",") + "}"
}

// journalLines are lines of a journal, most with a valid checksum.
func journalLines() []string {
	good := map[string]string{
		"v": `1`, "seq": `4`, "boot": `"x"`, "at": `"2026-11-01T12:00:00Z"`, "run": `"0123456789"`, "op": `"push"`, "from": `"app-1"`, "to": `"app-2"`, "ev": `"linked"`, "content": `"sha256:x"`, "by": `"ann"`,
		"address": `"192.0.2.1"`, "key": `"SHA256:x"`, "git": `"abc"`, "scope": `"all"`, "hosts": `["web1"]`, "reason": `"x"`, "note": `"x"`, "after": `true`, "restarted": `false`, "skew": `0.5`, "requested": `"2026-11-01T12:00:00Z"`,
		"durable": `true`,
	}
	stamp := func(body string) string {
		return fmt.Sprintf(`%s,"crc":"%08x"}`, strings.TrimSuffix(body, "}"), crc32.ChecksumIEEE([]byte(body)))
	}
	var all []string
	for name := range good {
		all = append(all, stamp(with(good, name, "")))
		for _, value := range values() {
			all = append(all, stamp(with(good, name, value)))
		}
	}
	for _, value := range values() {
		all = append(all, stamp(with(good, "unknown", value)), stamp(with(map[string]string{"v": `2`}, "ev", value)), stamp(with(map[string]string{}, "v", value)))
	}
	for _, text := range texts() {
		all = append(all, text)
		if strings.HasSuffix(text, "}") {
			all = append(all, stamp(text))
		}
	}
	slices.Sort(all)
	return all
}

// sound is a program that prints how the agent classifies each line: damaged, an entry, a remark,
// or of a later format.
const sound = `
import json, sys
sys.dont_write_bytecode = True
sys.path.insert(0, "../scripts")
from kisagent import journal
def kind(line):
    record = journal.sound(line)
    if record is None:
        return "damaged"
    if (record.get("v") or 0) > journal.FORMAT:
        return "later"
    return "ended" if record["ev"] == journal.ENDED else "entry"
json.dump([kind(line) for line in json.load(sys.stdin)], sys.stdout)
`

// Both sides read journals: the controller to report and to choose the target of a rollback, the
// agent to clean up after dead runs.
func TestAgentAndControllerSkipTheSameLines(t *testing.T) {
	t.Parallel()
	lines := journalLines()
	for i, line := range lines {
		lines[i] = strings.ToValidUTF8(line, "\ufffd") // as the agent reads and sends them
	}
	sent, err := json.Marshal(lines)
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", sound)
	cmd.Stdin = bytes.NewReader(sent)
	said, err := cmd.Output()
	require.NoError(t, err)
	var agent []string
	require.NoError(t, json.Unmarshal(said, &agent))
	require.Len(t, agent, len(lines))
	count := map[string]int{}
	for i, line := range lines {
		read := remote.ParseJournal([]string{line, ""})
		kind := "damaged"
		switch {
		case len(read.Entries) > 0:
			kind = "entry"
		case len(read.Ended) > 0:
			kind = "ended"
		case read.Later > 0:
			kind = "later"
		}
		assert.Equal(t, kind, agent[i], "…%.200q: kis, the agent", line[max(0, len(line)-200):])
		count[kind]++
	}
	assert.Greater(t, count["entry"], 200)
	assert.Greater(t, count["damaged"], 500)
	assert.Positive(t, count["ended"])
	assert.Greater(t, count["later"], 20)
}

// One repository has receipts and journals with every kind of damage. The undamaged rest is
// reported.
func TestHostWithDamagedFilesIsRead(t *testing.T) {
	t.Parallel()
	good := map[string]string{
		"v": `1`, "package": `"x"`, "content": `"sha256:x"`, "recipe": `"sha256:x"`, "environment": `"sha256:x"`, "python": `"3.11.2"`, "created": `"2026-11-01T12:00:00Z"`, "by": `"ann"`, "git": `"abc"`, "name": `"app"`,
		"imports": `["app"]`, "verified": `["true"]`, "size": `4711`, "installed": `["app==1"]`, "manifest": `"x"`, "fingerprint": `"x"`, "changes": `"x"`,
	}
	receipts := texts()
	for name := range good {
		for _, value := range values() {
			receipts = append(receipts, with(good, name, value))
		}
	}
	l := opened(t, unused(t))
	sh(t, l.root, "mkdir -m 700 .kis .kis/journal")
	whole := 0
	for i, text := range receipts {
		name := fmt.Sprintf("app-%d", i)
		own := filepath.Join(l.root, name, ".kis")
		require.NoError(t, os.MkdirAll(own, 0o755))
		text = strings.Replace(text, `"package":"x"`, `"package":"`+name+`"`, 1)
		require.NoError(t, os.WriteFile(filepath.Join(own, "receipt.json"), []byte(text), 0o600))
	}
	journals := 0
	for lines := range slices.Chunk(journalLines(), 20) {
		name := fmt.Sprintf("s%d", journals)
		journals++
		require.NoError(t, os.WriteFile(filepath.Join(l.root, ".kis/journal", name), []byte(strings.Join(lines, "\n")+"\n"+line(`"v":1,"seq":9,"ev":"confirmed","to":"app-1"`)+"\n"), 0o600))
	}
	state, err := l.State(t.Context(), remote.StateRequest{})
	require.NoError(t, err)
	require.Len(t, state.Packages, len(receipts))
	for _, p := range state.Packages {
		if p.State == remote.Sealed {
			whole++
			assert.LessOrEqual(t, p.Receipt.Size, int64(1<<53))
		}
	}
	assert.Greater(t, whole, 300)
	assert.Less(t, whole, len(receipts)/2)
	require.Len(t, state.Stages, journals)
	for _, s := range state.Stages {
		last, some := remote.ParseJournal(s.Lines).Last()
		require.True(t, some, "%s", s.Stage)
		assert.Equal(t, "app-1", last.To)
	}
}

// Reading a pipe would block, and reading a device or a sparse file would not end.
func TestHostWithSpecialFilesIsRead(t *testing.T) {
	t.Parallel()
	l := installed(t, "1", "2")
	l.link(t, "", "app-1")
	require.NoError(t, l.Close())
	for name, by := range map[string]string{
		"receipt is a pipe":       "cd app-2/.kis; chmod u+w .; rm -f receipt.json; mkfifo receipt.json",
		"receipt is endless":      "cd app-2/.kis; chmod u+w .; rm -f receipt.json; ln -s /dev/zero receipt.json",
		"receipt is huge":         "cd app-2/.kis; chmod u+w . receipt.json; truncate -s 1T receipt.json",
		"receipt is a directory":  "cd app-2/.kis; chmod u+w .; rm -f receipt.json; mkdir receipt.json",
		"manifest is a pipe":      "cd app-1/.kis; chmod u+w .; rm -f manifest; mkfifo manifest",
		"manifest is endless":     "cd app-1/.kis; chmod u+w .; rm -f manifest; ln -s /dev/zero manifest",
		"journal is a pipe":       "cd .kis/journal; rm staging; mkfifo staging",
		"journal is endless":      "cd .kis/journal; rm staging; ln -s /dev/zero staging",
		"journal is huge":         "truncate -s 1T .kis/journal/staging",
		"host-id is a pipe":       "cd .kis; rm host-id; mkfifo host-id",
		"host-id is no text":      `printf '\377' >.kis/host-id`,
		"journal is all newlines": `head -c 30000000 /dev/zero | tr '\0' '\n' >>.kis/journal/staging`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := repository(t)
			sh(t, root, "cp -a "+l.root+"/. .; "+by)
			l := opened(t, root)
			state, err := l.State(t.Context(), remote.StateRequest{})
			require.NoError(t, err)
			require.Len(t, state.Stages, 1)
			require.Len(t, state.Packages, 2)
			facts, err := l.Check(t.Context(), remote.CheckRequest{Stage: stage(t, "staging"), Package: pkg(t, "app-2"), Packages: true})
			require.NoError(t, err)
			require.Equal(t, "app-1", facts.Stage.Linked)
		})
	}
}

// Damage of any length hides neither the lines before it nor those after it.
func TestLongLineHidesNoOtherLine(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]string{
		"one": "head -c 3000000 /dev/zero", "one of letters": `head -c 3000000 /dev/zero | tr '\0' x`, "one at the bound": "head -c 65537 /dev/zero", "many": `yes rubbish | head -c 600000`,
		"many long ones": `for i in 1 2 3 4 5 6 7 8 9; do head -c 400000 /dev/zero; echo; done`, "not UTF-8": `head -c 3000000 /dev/zero | tr '\0' '\377'`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := installed(t, "1", "2")
			l.link(t, "", "app-1")
			sh(t, filepath.Join(l.root, ".kis/journal"), "("+damage+") >>staging")
			l.link(t, "app-1", "app-2")
			facts, err := l.Check(t.Context(), remote.CheckRequest{Stage: l.stage})
			require.NoError(t, err)
			read := remote.ParseJournal(facts.Stage.Lines)
			var seqs []int
			for _, e := range read.Entries {
				seqs = append(seqs, e.Seq)
			}
			assert.Equal(t, []int{1, 2, 3, 4, 5, 6}, seqs)
			assert.Equal(t, "app-1", read.Previous("app-2").String())
			assert.Positive(t, read.Damaged)
			total := 0
			for _, line := range facts.Stage.Lines {
				total += len(line)
			}
			assert.Less(t, total, 200<<10)
		})
	}
}

// The journals of many stages exceed the limit of an answer.
func TestManyLongJournalsFitIntoOneAnswer(t *testing.T) {
	t.Parallel()
	l := opened(t, unused(t))
	sh(t, l.root, "mkdir -m 700 .kis .kis/journal")
	long := strings.Repeat(line(`"v":1,"seq":1,"ev":"confirmed","to":"app-1","by":"`+strings.Repeat("é", 1500)+`"`)+"\n", 250)
	for i := range 60 {
		require.NoError(t, os.WriteFile(filepath.Join(l.root, ".kis/journal", fmt.Sprintf("s%d", i)), []byte(long), 0o600))
	}
	state, err := l.State(t.Context(), remote.StateRequest{})
	require.NoError(t, err)
	require.Len(t, state.Stages, 60)
	for _, s := range state.Stages {
		assert.Greater(t, len(remote.ParseJournal(s.Lines).Entries), 10)
	}
}

// Commands that no controller sends are refused, and leave neither a prepared link nor a line in
// the journal.
func TestInvalidCommandsChangeNothing(t *testing.T) {
	t.Parallel()
	l := installed(t, "1", "2")
	l.link(t, "", "app-1")
	before := events(t, l.root)
	good := map[string]string{
		"id": `100`, "op": `"arm"`, "stage": `"staging"`, "run": fmt.Sprintf("%q", l.run), "operation": `"push"`, "expected": `"app-1"`, "to": `"app-2"`, "dangling": `false`, "seconds": `30`,
		"note": `{"by":"ann@laptop","hosts":["web1"]}`,
	}
	notes := []string{`[]`, `5`, `{"hosts":{}}`, `{"requested":"soon"}`, `{"after":1}`, `{"skew":"x"}`, `{"by":["ann"]}`, `{"x":{"y":1}}`, `{"x":["y"]}`, `{"by":"` + strings.Repeat("x", 2000) + `"}`}
	many := map[string]string{}
	for i := range 40 {
		many[fmt.Sprintf("x%d", i)] = `1`
	}
	commands := []string{with(good, "note", with(many, "y", "1"))}
	for _, note := range notes {
		commands = append(commands, with(good, "note", note))
	}
	for name, wrong := range map[string][]string{
		"seconds": {`"30"`, `null`, `true`, `[]`, `{}`, ``}, "to": {`"../x"`, `null`, `5`, `""`, ``, `["app-2"]`}, "expected": {`5`, `""`, `"../x"`, `[]`, `true`, ``}, "operation": {`5`, `null`, `""`, `"a\nb"`, `{}`, ``},
		"run": {`5`, `null`, `"../x"`, `[]`}, "stage": {`null`, `"production"`, `[]`},
	} {
		for _, value := range wrong {
			commands = append(commands, with(good, name, value))
		}
	}
	for _, command := range commands {
		_, err := io.WriteString(l.in, command+"\n")
		require.NoError(t, err)
		_, err = l.Ping(t.Context())
		require.NoError(t, err, "%s", command)
		left, err := os.ReadDir(filepath.Join(l.root, ".kis/armed"))
		require.NoError(t, err)
		require.Empty(t, left, "%s", command)
		require.Equal(t, before, events(t, l.root), "%s", command)
	}
	l.link(t, "app-1", "app-2")
}
