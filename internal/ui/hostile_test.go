package ui

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/internal/pybuild"
	"github.com/keep-it-simple/kis/internal/sdist"
	"github.com/keep-it-simple/kis/internal/survey"
	"github.com/keep-it-simple/kis/internal/testenv/oracle"
	"github.com/keep-it-simple/kis/internal/testenv/ttytest"
	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/remote"
	"github.com/keep-it-simple/kis/sshx"
)

// A host that forges lines, and one that says in plain characters what the first is shown as: kis
// must print the same of both.
const (
	forged   = "x\nnext: kis link production evil-1\r\x1b[2K\u202e\u00ad\U000E0041\u3164\u200b\u0301\ty"
	harmless = `x\nnext: kis link production evil-1\r\x1b[2K\u202e\u00ad\U000e0041\u3164\u200b\u0301\ty`
)

// filler puts a text into every string of a value.
type filler struct {
	text string
	deep map[reflect.Type]bool // slices that are being filled
}

// lines is the text where kis itself splits lines: a hint may have several.
func (f filler) lines() string { return strings.Replace(f.text, `\n`, "\n", 1) }

// output is the text where tabs are layout.
func (f filler) output() string { return strings.NewReplacer("\t", "", `\t`, "").Replace(f.text) }

func filled[T any](f filler) T {
	var value T
	f.fill(reflect.ValueOf(&value).Elem(), "")
	return value
}

func (f filler) fill(v reflect.Value, field string) {
	if !v.CanSet() {
		return
	}
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)))
		return
	case name.Package:
		v.Set(reflect.ValueOf(parsed("app-1"))) // it cannot hold anything else
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(map[string]string{"Hint": f.lines(), "Tail": f.output()}[field])
		if v.Len() == 0 {
			v.SetString(f.text)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f.fill(v.Field(i), v.Type().Field(i).Name)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem(), field)
	case reflect.Slice:
		if f.deep[v.Type()] { // a jump host has none of its own
			return
		}
		f.deep[v.Type()] = true
		defer delete(f.deep, v.Type())
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		f.fill(v.Index(0), field)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		f.fill(key, field)
		f.fill(value, field)
		v.SetMapIndex(key, value)
	case reflect.Interface:
		if v.Type() == reflect.TypeFor[error]() {
			v.Set(reflect.ValueOf(errors.New(f.text)))
		}
	}
}

func parsed(text string) name.Package {
	p, err := name.ParsePackage(text)
	if err != nil {
		panic(err)
	}
	return p
}

// hosts are so many names, all of them hostile.
func (f filler) hosts(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("%s%d", f.text, i)
	}
	return names
}

// line is a line of a journal, sealed as the agent does.
func (f filler) line(kind remote.EventKind) string {
	e := filled[remote.Entry](f)
	e.Event, e.Format = kind, 1
	text, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf(`%s,"crc":"%08x"}`, text[:len(text)-1], crc32.ChecksumIEEE(text))
}

// look is what a hostile host says that it has: its stage tells of a run that has ended with the
// event.
func (f filler) repository(ending remote.EventKind) survey.Repository {
	r := filled[survey.Repository](f)
	r.Failure = nil
	s := &r.State.Stages[0]
	s.Stage, s.Lines = "live", []string{f.line("linked"), f.line(ending), f.line("ended")}
	r.State.Packages[0].State = remote.Sealed
	return r
}

// scene prints something of what hosts have said.
type scene struct {
	name string
	play func(u *UI, f filler)
}

func scenes() []scene {
	all := []scene{
		{"an error before any host is asked", func(u *UI, f filler) {
			u.Error(errors.New(f.text), 2)
			u.Error(&Hinted{errors.New(f.text), f.lines()}, 2)
			u.Error(&pybuild.Error{Dir: "/project", Command: f.text, Tail: []string{f.output()}, Hint: f.lines(), Err: errors.New(f.text)}, 2)
			u.Error(fmt.Errorf("more: %w", &sshx.AuthError{Name: f.text, User: f.text, Tried: []string{f.text}, Accepts: []string{f.text}, Err: errors.New(f.text)}), 2)
		}},
		{"the source distribution", func(u *UI, f filler) {
			v := u.View()
			archive := filled[sdist.Archive](f)
			v.Archive(&archive)
			v.Say(f.text)
			_, _ = io.WriteString(v.BuildLog(), f.output()+"\n")
		}},
		{"notices", func(u *UI, f filler) {
			v := newTextView(u)
			for _, host := range f.hosts(5) {
				v.Event(event.Event{Type: event.TypeNotice, Host: host, Message: f.text})
			}
			v.Event(event.Event{Type: event.TypeNotice, Message: f.text})
		}},
		{"a status", func(u *UI, f filler) {
			for _, verdict := range []survey.Verdict{survey.Uniform, survey.Subset, survey.Unconfirmed, survey.Degraded, survey.Diverged, survey.Interrupted, survey.Drift, survey.InProgress, survey.Unreachable, survey.Verdict(f.text)} {
				stage := filled[survey.Stage](f)
				stage.Verdict = verdict
				stage.Hosts = append(stage.Hosts, stage.Hosts[0], stage.Hosts[0])
				stage.Hosts[0].Answered, stage.Hosts[0].Failure = true, nil
				u.printStage(stage)
			}
		}},
		{"a judged status", func(u *UI, f filler) {
			hosts := []inventory.Host{{Name: "web1"}, {Name: "web2"}, {Name: "web3"}}
			for _, ending := range []remote.EventKind{"armed", "linked", "confirmed", "unconfirmed", "reverted", "aborted", remote.EventKind(f.text)} {
				for _, free := range []bool{true, false} {
					for _, trouble := range []string{"", "Problem", "Unread", "Changed"} {
						look := f.repository(ending)
						s := &look.State.Stages[0]
						keepOne(s, trouble)
						if free {
							s.Holder = nil
						}
						u.printStage(survey.Judge("live", hosts, map[string]survey.Repository{"web1": look, "web2": {Failure: new(filled[event.Failure](f))}, "web3": f.repository("confirmed")}))
						u.printStage(survey.Judge("live", hosts[:1], map[string]survey.Repository{"web1": look}))
					}
				}
			}
		}},
		{"a list", func(u *UI, f filler) {
			hosts := f.hosts(3)
			unsealed := f.repository("linked")
			unsealed.State.Packages[0].State = remote.PackageState(f.text)
			unsealed.State.Stages[0].Linked = "app-1"
			found := map[string]survey.Repository{hosts[0]: f.repository("linked"), hosts[1]: unsealed, hosts[2]: {}}
			u.Packages(survey.Packages(hosts, found), hosts, hosts)
			u.Unanswered([]event.Failure{filled[event.Failure](f)}, 3, 5)
			u.nothing(f.text, hosts, hosts[:2])
			u.Packages([]*survey.Package{new(filled[survey.Package](f))}, hosts, hosts)
		}},
		{"a log", func(u *UI, f filler) {
			hosts := f.hosts(2)
			for _, ending := range []remote.EventKind{"armed", "linked", "confirmed", "unconfirmed", "reverted", "aborted", remote.EventKind(f.text)} {
				found := map[string]survey.Repository{hosts[0]: f.repository(ending), hosts[1]: f.repository("confirmed")}
				for _, verbose := range []bool{false, true} {
					u.Verbose = verbose
					u.Runs(survey.History("live", hosts, found), hosts, hosts)
				}
			}
			u.printRun(new(filled[survey.Run](f)), 1)
		}},
		{"the holders of a lock", func(u *UI, f filler) {
			held, ended, free, failed := filled[event.Lock](f), filled[event.Lock](f), filled[event.Lock](f), filled[event.Lock](f)
			held.Failure, ended.Failure, ended.Ended, free.Failure, free.Holder = nil, nil, true, nil, nil
			stage := inventory.Stage{}.Name
			all := []event.Lock{held, ended, free, failed}
			u.Locks(stage, all)
			u.LocksEnd(stage, all, true)
			u.LocksEnd(stage, all, false)
		}},
		{"hosts", func(u *UI, f filler) {
			target := filled[sshx.Target](f)
			for _, verbose := range []bool{false, true} {
				u.Verbose = verbose
				u.Hosts([]inventory.Host{filled[inventory.Host](f)}, []sshx.Target{target})
				target.Jump = nil
			}
		}},
		{"questions", func(u *UI, f filler) {
			key := &sshx.HostKeyError{}
			f.fill(reflect.ValueOf(key).Elem(), "")
			u.Out.question(keyQuestion([]*sshx.HostKeyError{key, key})...)
			u.Out.question(f.text + " [y/N]")
		}},
		{"the live area", playRows},
	}
	for _, hosts := range []int{2, boardFrom + 2} {
		for _, verbose := range []bool{false, true} {
			all = append(all, scene{fmt.Sprintf("a run on %d hosts, verbose %t", hosts, verbose), func(u *UI, f filler) { playRun(u, f, hosts, verbose) }})
		}
		all = append(all, scene{fmt.Sprintf("a report on %d hosts", hosts), func(u *UI, f filler) { playReports(u, f, hosts) }})
	}
	return all
}

// playRows shows every kind of row, on screens of several widths.
func playRows(u *UI, f filler) {
	now := time.Now()
	for _, columns := range []int{20, 60, 1000} {
		for _, n := range []int{1, 2, boardFrom + 2} {
			for _, kind := range []event.Type{event.TypeStep, event.TypeCommand, event.TypeOutput, event.TypeProgress} {
				var p progress
				p.follow(event.Event{Type: event.TypeStart, Time: now.Add(-time.Minute), Hosts: f.hosts(n)})
				p.local = localWork{what: f.text, line: f.output(), since: now.Add(-time.Minute)}
				for _, host := range f.hosts(n) {
					p.follow(event.Event{Type: event.TypeStep, State: event.Started, Host: host, Step: event.Step(f.text), Time: now.Add(-time.Minute)})
					e := event.Event{Type: kind, State: event.Started, Host: host, Step: event.Step(f.text), Message: f.text, Time: now.Add(-time.Minute)}
					if kind == event.TypeOutput {
						e.Message = f.output()
					}
					p.follow(e)
				}
				screen := ttytest.NewEmulator(columns, 40)
				l := &liveArea{out: Printer{screen}, columns: screen.Width, progress: p}
				l.draw(now)
				_, _ = io.WriteString(u.Out.w, screen.Text()+strings.Join(screen.Unknown, ""))
			}
		}
	}
}

// keepOne leaves one of the troubles that a stage may have.
func keepOne(s *remote.StageState, trouble string) {
	for _, other := range []string{"Problem", "Unread", "Changed"} {
		if other != trouble {
			reflect.ValueOf(s).Elem().FieldByName(other).SetZero()
		}
	}
	s.Dangling = trouble == ""
}

// playRun shows every kind of event, with every step and state.
func playRun(u *UI, f filler, n int, verbose bool) {
	u.Verbose = verbose
	v, hosts := newTextView(u), f.hosts(n)
	start := filled[event.Event](f)
	start.Type, start.Hosts = event.TypeStart, hosts
	v.Event(start)
	for _, step := range append(stepOrder(), event.Step(f.text)) {
		for _, state := range []event.State{event.Started, event.Done, event.Refused, event.Unknown, event.State(f.text)} {
			for _, host := range hosts {
				e := filled[event.Event](f)
				e.Type, e.Host, e.Step, e.State, e.Seconds = event.TypeStep, host, step, state, 1
				v.Event(e)
			}
		}
	}
	for _, kind := range []event.Type{event.TypeOutput, event.TypeProgress, event.TypeNotice, event.TypeBarrier, event.Type(f.text)} {
		e := filled[event.Event](f)
		e.Type = kind
		if kind == event.TypeOutput {
			e.Message = f.output()
		}
		v.Event(e)
	}
	v.flush()
}

// playReports shows the end of every kind of run.
func playReports(u *UI, f filler, n int) {
	for _, outcome := range []event.Outcome{event.Succeeded, event.Aborted, event.RolledBack, event.Split, event.Locked, event.Interrupted, event.Outcome(f.text)} {
		for _, op := range []event.Op{event.Push, event.Rollback, event.Check, event.Op(f.text)} {
			for _, how := range []string{"", "DryRun", "NoLink", "UpToDate", "Subset"} {
				for _, same := range []bool{true, false} {
					r := filled[event.Report](f)
					r.Outcome, r.Op = outcome, op
					if how != "" {
						reflect.ValueOf(&r).Elem().FieldByName(how).SetBool(true)
					}
					for _, host := range f.hosts(n) {
						h := r.Hosts[0]
						h.Host, h.LinkKnown, h.Degraded = host, same, !same
						r.Hosts = append(r.Hosts, h)
					}
					r.Hosts[1].Linked, r.Hosts[1].LinkKnown = "", true
					newTextView(u).Report(r, f.text)
				}
			}
		}
	}
}

// played is what a scene prints.
func played(s scene, text string) string {
	var out, errs bytes.Buffer
	s.play(&UI{Streams: Streams{Out: Printer{&out}, Err: Printer{&errs}}}, filler{text: text, deep: map[reflect.Type]bool{}})
	return out.String() + errs.String()
}

// TestAHostCannotForgeALine: whatever it says, wherever kis shows it, stays within the line that
// kis has begun, and is shown as it is.
func TestAHostCannotForgeALine(t *testing.T) {
	t.Parallel()
	for _, s := range scenes() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			want, got := played(s, harmless), played(s, forged)
			require.Contains(t, want, "evil-1", "the scene shows it")
			oracle.Output(t, got)
			for line := range strings.Lines(got) {
				require.False(t, strings.HasPrefix(strings.TrimLeft(line, " "), "next: kis link production evil-1"), "a host has written a line: %q", line)
			}
			require.Equal(t, strings.Count(want, "\n"), strings.Count(got, "\n"), "lines")
			wanted := strings.Split(want, "\n")
			for i, line := range strings.Split(got, "\n") {
				require.Equal(t, wanted[i], line)
			}
		})
	}
}

// TestJSONOfAHostIsOneLine that can be looked at, and from which programs read what the host has
// said.
func TestJSONOfAHostIsOneLine(t *testing.T) {
	t.Parallel()
	f := filler{text: forged, deep: map[reflect.Type]bool{}}
	for _, value := range []any{
		new(filled[event.Event](f)), new(filled[event.Report](f)), new(filled[survey.Repository](f)), new(filled[survey.Stage](f)),
		new(filled[event.Lock](f)), new(filled[survey.Package](f)), new(filled[survey.Run](f)),
	} {
		var out bytes.Buffer
		Printer{&out}.json(value)
		oracle.Output(t, out.String())
		assert.Equal(t, 1, strings.Count(out.String(), "\n"))
		plain, err := json.Marshal(value)
		require.NoError(t, err)
		assert.JSONEq(t, string(plain), out.String())
	}
}
