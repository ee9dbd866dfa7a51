package remote

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/internal/tail"
	"github.com/keep-it-simple/kis/internal/timeouts"
)

func TestLinesAreBounded(t *testing.T) {
	t.Parallel()
	type got struct {
		line  string
		whole bool
	}
	long := strings.Repeat("y", 200_000)
	for name, test := range map[string]struct {
		text string
		want []got
	}{
		"nothing":            {"", []got{{"", true}}},
		"lines":              {"a\nb\n", []got{{"a", true}, {"b", true}, {"", true}}},
		"no end":             {"a\nb", []got{{"a", true}, {"b", true}}},
		"carriage return":    {"a\r\n", []got{{"a", true}, {"", true}}},
		"empty":              {"\n\n", []got{{"", true}, {"", true}, {"", true}}},
		"exactly":            {"12345678\nx\n", []got{{"12345678", true}, {"x", true}, {"", true}}},
		"one too many":       {"123456789\nx\n", []got{{"12345678", false}, {"x", true}, {"", true}}},
		"longer than buffer": {"12345678" + long + "\nx\n", []got{{"12345678", false}, {"x", true}, {"", true}}},
		"long without end":   {"12345678" + long, []got{{"12345678", false}}},
	} {
		lines := newLineReader(strings.NewReader(test.text), 8)
		var all []got
		for {
			line, whole, err := lines.next()
			all = append(all, got{string(line), whole})
			if err != nil {
				require.ErrorIs(t, err, io.EOF)
				break
			}
		}
		assert.Equal(t, test.want, all, name)
	}
}

// FuzzLines: every line is whole, or a beginning of one, never longer than it may be, and none is
// lost.
func FuzzLines(f *testing.F) {
	f.Add([]byte("a\r\n\nb"), uint8(8))
	f.Add([]byte("123456789\nx\n12345678\n"), uint8(8))
	f.Add(bytes.Repeat([]byte("y"), 70_000), uint8(3))
	f.Fuzz(func(t *testing.T, text []byte, limit uint8) {
		lines := newLineReader(iotest.OneByteReader(bytes.NewReader(text)), int(limit))
		for want := range bytes.SplitSeq(text, []byte("\n")) {
			got, whole, err := lines.next()
			if len(got) > int(limit) || !bytes.HasPrefix(want, got) {
				t.Fatalf("%q was read as %q", want, got)
			}
			if whole && !bytes.Equal(got, bytes.TrimRight(want, "\r")) {
				t.Fatalf("%q was read as the whole line %q", want, got)
			}
			if !whole && len(want) <= int(limit) {
				t.Fatalf("%q was cut to %q", want, got)
			}
			if err != nil && !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
		}
		if rest, _, err := lines.next(); len(rest) > 0 || !errors.Is(err, io.EOF) {
			t.Fatalf("%q, %v behind the last line", rest, err)
		}
	})
}

// results are the types of all answers.
func results(asked name.Package) []any {
	return []any{
		nil, new(Locked), new(Facts), new(RepositoryState), new(Fenced), new(clockAnswer), new(linkAnswer), new(resumeAnswer), new(holderAnswer), &packageAnswer{asked: asked}, &sealAnswer{asked: asked}, new(Made), new(Filled), new(Packed), new(rehashAnswer), new(Removed),
		&struct {
			HostID string `json:"host_id"`
		}{},
		&struct {
			Have []string `json:"have"`
		}{},
	}
}

// FuzzParseFrame: a frame is the agent's or none, and a parsed answer can be used: written, looked
// up, added.
func FuzzParseFrame(f *testing.F) {
	const nonce = "0123456789abcdef"
	asked, err := name.ParsePackage("app-1")
	require.NoError(f, err)
	f.Add([]byte(prefix + "fedcba9876543210" + ` {"id":1,"ev":"done"}`))
	f.Add([]byte(prefix + nonce + " "))
	for _, text := range []string{
		`"ev":"output","text":"\u001b[31m"`, `"ev":"wheel","wheel":{"name":"x-1-py3-none-any.whl","sha256":"` + strings.Repeat("a", 64) + `","size":-1}`, `"ev":"done"`, `"ev":"done","at":1700000000.25,"durable":true`, `"ev":"done","at":1e300,"durable":true`, `"ev":"done","wall":-1e18`, `"ev":"done","wall":1e999`,
		`"ev":"done","fenced":true,"linked":null,"durable":false`, `"ev":"done","directory":"/var/webcode/.kis/run/x","linked":"app-1","journal":4,"host_id":"x","fenced":["y"]`,
		`"ev":"done","sealed":true,"receipt":{"package":"app-1","content":"sha256:x","created":"2026-11-01T12:00:00Z","size":5,"installed":["a==1"]}`,
		`"ev":"done","sealed":true,"receipt":{"package":"app-1","created":"2026-11-01T12:00:00+24:00"}`, `"ev":"done","holder":{"who":"ann@laptop","pid":7,"since":"2026-11-01T12:00:00Z"}`,
		`"ev":"done","problems":[{"code":"no-root"}],"space":{"bytes":1,"inodes":-1},"stage":{"stage":"staging","linked":"app-1","journal":["x"]},"package":{"name":"app-1","state":"absent"}`,
		`"ev":"done","stages":[{"stage":"staging","holder":{"since":"0000-01-01T00:00:00+23:59"}}],"packages":[{"name":"app-1","state":"sealed","receipt":{"package":"app-1"}}]`,
		`"ev":"refused","code":"locked","message":"x","tail":["y"],"holder":{"since":"2026-11-01T12:00:00+24:00"}`, `"ev":"refused","code":[]`,
		`"ev":"done","x":` + strings.Repeat("[", 100) + strings.Repeat("]", 100),
	} {
		f.Add([]byte(prefix + nonce + ` {"id":1,` + text + `}`))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		frame, ok, err := parseFrame(line, nonce)
		if ok != strings.HasPrefix(string(line), prefix+nonce+" ") {
			t.Errorf("%q: ok is %v", line, ok)
		}
		if err != nil && (!ok || !errors.Is(err, errFrame)) {
			t.Errorf("%q: %v", line, err)
		}
		if !ok || err != nil {
			return
		}
		for _, result := range results(asked) {
			err := read(frame, result)
			var refused *Refused
			switch {
			case errors.As(err, &refused):
				requireWritable(t, refused)
				require.LessOrEqual(t, len(refused.Tail), tail.MaxLines)
				require.LessOrEqual(t, len(refused.Message), maxText)
			case frame.Ev == "refused" && err == nil:
				t.Errorf("%q: a refusal passed for done", line)
			case err == nil:
				requireUsable(t, result, asked)
			}
		}
	})
}

// requireWritable requires an answer that can be written to the JSON stream.
func requireWritable(t *testing.T, value any) {
	t.Helper()
	_, err := json.Marshal(value)
	require.NoError(t, err)
}

// requireUsable requires what the callers of this package rely on.
func requireUsable(t *testing.T, result any, asked name.Package) {
	t.Helper()
	requireWritable(t, result)
	usable := func(all []InstalledPackage) {
		for _, p := range all {
			require.Equal(t, p.State == Sealed, p.Receipt != nil)
			require.False(t, p.Name.IsZero())
		}
	}
	switch r := result.(type) {
	case *Locked:
		require.True(t, strings.HasPrefix(r.Directory, "/"))
	case *Facts:
		usable(r.Packages)
		require.Equal(t, r.Package.State == Sealed, r.Package.Receipt != nil)
	case *RepositoryState:
		usable(r.Packages)
		for _, s := range r.Stages {
			ParseJournal(s.Lines)
		}
	case *clockAnswer:
		requireWritable(t, r.at)
	case *linkAnswer:
		requireWritable(t, r.at)
	case *packageAnswer:
		require.True(t, !r.Sealed || r.Receipt.Package == asked)
	case *sealAnswer:
		require.Equal(t, asked, r.Receipt.Package)
	}
}

// FuzzStart: whatever a host prints, the start ends with the host, in an agent or in an error that
// says why and shows a bounded part of the output.
func FuzzStart(f *testing.F) {
	const greeting = `KIS1 NONCE {"ev":"hello","protocol":1,"host":{"hostname":"web1"}}` + "\n"
	f.Add([]byte("KIS1 READY 3.11\n"), []byte(greeting), []byte(""))
	f.Add([]byte("Welcome\n\x1b[31mKIS1 READY 3.7\n"), []byte(""), []byte("sudo: a password is required\n"))
	f.Add([]byte("KIS1 READY 99999999999999999999.1\n"), []byte(""), []byte(""))
	f.Add([]byte("KIS1 READY 3.11"+strings.Repeat(".1", 40_000)+"\n"), []byte(""), []byte(""))
	f.Add([]byte("KIS1 NOPYTHON\nKIS1 EATEN\nKIS1 READY -3.-11\n"), []byte("KIS1 NONCE {\"ev\":\"hello\",\"protocol\":2}\n"), []byte(strings.Repeat("x", 9000)))
	f.Add([]byte("KIS1 READY 3.11\nKIS1 READY 3.11\n"), []byte(`KIS1 NONCE {"ev":"hello","protocol":1,"host":[]}`+"\n"+greeting), []byte("\x00\xff\n"))
	f.Add([]byte("KIS1 READY 3.11\n"), []byte(greeting+`KIS1 NONCE {"id":1,"ev":"done"}`+"\n"+`KIS1 NONCE {"id":1`+"\n"), []byte("kis: agent: x"))
	ready := regexp.MustCompile(`(?m)^KIS1 READY .*\n`)
	f.Fuzz(func(t *testing.T, before, after, said []byte) {
		in, written := io.Pipe()
		out, print := io.Pipe()
		host := make(chan struct{})
		go func() {
			defer close(host)
			defer in.Close()    //nolint:errcheck // the host's end
			defer print.Close() //nolint:errcheck // the host's end
			if _, err := print.Write(before); err != nil {
				return
			}
			lines := bufio.NewReader(in)
			for nonce := ""; ; {
				line, err := lines.ReadString('\n')
				if err != nil {
					return
				}
				if _, rest, some := strings.Cut(line, `{"nonce":"`); some {
					nonce, _, _ = strings.Cut(rest, `"`)
					_, _ = print.Write(bytes.ReplaceAll(after, []byte("NONCE"), []byte(nonce)))
					return
				}
				if !ready.Match(before) {
					return // the shell ends with the text that it has read
				}
			}
		}()
		begin := time.Now()
		a, err := Start(t.Context(), Streams{In: written, Out: out, Err: bytes.NewReader(said)})
		if err == nil {
			_ = a.Close()
			requireWritable(t, a.Host())
		} else {
			_ = out.Close()
			var start *StartError
			var lost *Lost
			require.True(t, errors.As(err, &start) || errors.As(err, &lost), "%v", err)
			require.Less(t, len(err.Error()), 4<<10)
			if start != nil {
				require.LessOrEqual(t, len(start.Tail), 2*tail.MaxLines)
			}
		}
		<-host
		require.Less(t, time.Since(begin), timeouts.Default().Greeting)
	})
}

func TestWheelsOfAHostAreJudged(t *testing.T) {
	t.Parallel()
	sum := strings.Repeat("a", 64)
	good := Wheel{Name: "x-1-py3-none-any.whl", SHA256: sum, Size: 3}
	for name, test := range map[string]struct {
		wheel Wheel
		fine  bool
	}{
		"good": {good, true}, "a path": {Wheel{"../x-1-py3-none-any.whl", sum, 3, false}, false}, "two lines": {Wheel{"x\n.whl", sum, 3, false}, false},
		"no wheel": {Wheel{"x.exe", sum, 3, false}, false}, "no digest": {Wheel{good.Name, "a", 3, false}, false}, "less than nothing": {Wheel{good.Name, sum, -1, false}, false},
	} {
		text, err := json.Marshal(map[string]any{"wheels": []Wheel{test.wheel}, "application": nil})
		require.NoError(t, err)
		require.Equal(t, test.fine, (&Made{Wheels: []Wheel{test.wheel}}).check(text) == nil, name)
		line := fmt.Sprintf("%s %d %s", test.wheel.SHA256, test.wheel.Size, test.wheel.Name)
		require.Equal(t, test.fine, (&Receipt{Wheels: []string{line}}).ParseWheels() != nil, name)
	}
	for _, line := range []string{"", sum, sum + " 3", sum + " x " + good.Name, sum + " 99999999999999999999 " + good.Name} {
		require.Nil(t, (&Receipt{Wheels: []string{line}}).ParseWheels(), line)
	}
	require.True(t, (&Receipt{Wheels: []string{sum + " 3 " + good.Name + " built"}}).ParseWheels()[0].Built)
}
