package main

import (
	"bytes"
	"context"
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

	"github.com/keep-it-simple/kis/internal/deploy"
	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/name"
	"github.com/keep-it-simple/kis/internal/pybuild"
	"github.com/keep-it-simple/kis/internal/sdist"
	"github.com/keep-it-simple/kis/internal/survey"
	"github.com/keep-it-simple/kis/internal/testenv/oracle"
	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/remote"
	"github.com/keep-it-simple/kis/sshx"
)

// A host that forges lines, and one that says in plain characters what the first is shown as: kis must print the same of both.
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
func (f filler) line(kind string) string {
	e := filled[remote.Entry](f)
	e.Event, e.Format = kind, 1
	text, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf(`%s,"crc":"%08x"}`, text[:len(text)-1], crc32.ChecksumIEEE(text))
}

// look is what a hostile host says that it has: its stage tells of a run that has ended with the event.
func (f filler) look(ending string) survey.Repository {
	look := filled[survey.Repository](f)
	look.Failure = nil
	s := &look.State.Stages[0]
	s.Stage, s.Lines = "live", []string{f.line("linked"), f.line(ending), f.line("ended")}
	look.State.Packages[0].State = remote.Sealed
	return look
}

// scene prints something of what hosts have said.
type scene struct {
	name string
	play func(a *app, f filler)
}

func scenes(ctx context.Context) []scene {
	all := []scene{
		{"an error before any host is asked", func(a *app, f filler) {
			a.fail(errors.New(f.text))
			a.fail(hinted{errors.New(f.text), f.lines()})
			a.fail(&pybuild.Error{Dir: "/project", Command: f.text, Tail: []string{f.output()}, Hint: f.lines(), Err: errors.New(f.text)})
			a.fail(fmt.Errorf("more: %w", &sshx.AuthError{Name: f.text, User: f.text, Tried: []string{f.text}, Accepts: []string{f.text}, Err: errors.New(f.text)}))
		}},
		{"the source distribution", func(a *app, f filler) {
			v := a.view()
			archive := filled[sdist.Archive](f)
			v.archive(&archive)
			v.say(f.text)
			_, _ = io.WriteString(v.buildLog(), f.output()+"\n")
		}},
		{"notices", func(a *app, f filler) {
			v := newTextView(a)
			for _, host := range f.hosts(5) {
				v.event(event.Event{Type: event.TypeNotice, Host: host, Message: f.text})
			}
			v.event(event.Event{Type: event.TypeNotice, Message: f.text})
		}},
		{"a status", func(a *app, f filler) {
			for _, verdict := range []survey.Verdict{survey.Uniform, survey.Subset, survey.Unconfirmed, survey.Degraded, survey.Diverged, survey.Interrupted, survey.Drift, survey.InProgress, survey.Unreachable, survey.Verdict(f.text)} {
				stage := filled[survey.Stage](f)
				stage.Verdict = verdict
				stage.Hosts = append(stage.Hosts, stage.Hosts[0], stage.Hosts[0])
				stage.Hosts[0].Known, stage.Hosts[0].Failure = true, nil
				a.printStage(stage)
			}
		}},
		{"a status that is judged", func(a *app, f filler) {
			hosts := []inventory.Host{{Name: "web1"}, {Name: "web2"}, {Name: "web3"}}
			for _, ending := range []string{"armed", "linked", "confirmed", "unconfirmed", "reverted", "aborted", f.text} {
				for _, free := range []bool{true, false} {
					for _, trouble := range []string{"", "Problem", "Unread", "Changed"} {
						look := f.look(ending)
						s := &look.State.Stages[0]
						keepOne(s, trouble)
						if free {
							s.Holder = nil
						}
						a.printStage(survey.Judge("live", hosts, map[string]survey.Repository{"web1": look, "web2": {Failure: new(filled[event.Failure](f))}, "web3": f.look("confirmed")}))
						a.printStage(survey.Judge("live", hosts[:1], map[string]survey.Repository{"web1": look}))
					}
				}
			}
		}},
		{"a list", func(a *app, f filler) {
			hosts := f.hosts(3)
			unsealed := f.look("linked")
			unsealed.State.Packages[0].State = remote.PackageState(f.text)
			unsealed.State.Stages[0].Linked = "app-1"
			looks := map[string]survey.Repository{hosts[0]: f.look("linked"), hosts[1]: unsealed, hosts[2]: {}}
			a.printPackages(survey.Packages(hosts, looks), hosts, looks)
			looks[hosts[0]] = survey.Repository{Failure: new(filled[event.Failure](f))}
			_ = a.unreached(hosts, looks)
			a.none(f.text, hosts, looks)
			a.printPackages([]*survey.Package{new(filled[survey.Package](f))}, hosts, looks)
		}},
		{"a log", func(a *app, f filler) {
			hosts := f.hosts(2)
			for _, ending := range []string{"armed", "linked", "confirmed", "unconfirmed", "reverted", "aborted", f.text} {
				looks := map[string]survey.Repository{hosts[0]: f.look(ending), hosts[1]: f.look("confirmed")}
				for _, verbose := range []bool{false, true} {
					a.verbose = verbose
					a.printRuns(survey.History("live", hosts, looks), hosts, looks)
				}
			}
			a.printRunDetails(new(filled[survey.Run](f)), 1)
		}},
		{"the holders of a lock", func(a *app, f filler) {
			held, ended, free, failed := filled[deploy.Unlocked](f), filled[deploy.Unlocked](f), filled[deploy.Unlocked](f), filled[deploy.Unlocked](f)
			held.Failure, ended.Failure, ended.Ended, free.Failure, free.Holder = nil, nil, true, nil, nil
			stage := inventory.Stage{}.Name
			all := []deploy.Unlocked{held, ended, free, failed}
			a.printUnlocked(stage, all)
			_ = a.unlocked(ctx, stage, all, true)
			_ = a.unlocked(ctx, stage, all, false)
		}},
		{"hosts", func(a *app, f filler) {
			target := filled[sshx.Target](f)
			for _, verbose := range []bool{false, true} {
				a.verbose = verbose
				a.printTargets([]inventory.Host{filled[inventory.Host](f)}, []sshx.Target{target})
				target.Jump = nil
			}
		}},
		{"questions", func(a *app, f filler) {
			key := &sshx.HostKeyError{}
			f.fill(reflect.ValueOf(key).Elem(), "")
			a.Out.question(keyQuestion([]*sshx.HostKeyError{key, key})...)
			a.Out.question(f.text + " [y/N]")
		}},
		{"the line at the bottom", func(a *app, f filler) {
			for _, width := range []int{20, 60, 1000} {
				l := &liveLine{out: a.Out, width: func() int { return width }}
				l.here(f.text, time.Now().Add(-time.Minute))
				l.follow(event.Event{Type: event.TypeStep, State: event.Started, Host: f.text, Step: event.Step(f.text), Time: time.Now().Add(-time.Minute)})
				l.show()
				a.Out.printf("\n")
			}
		}},
	}
	for _, hosts := range []int{2, boardFrom + 2} {
		for _, verbose := range []bool{false, true} {
			all = append(all, scene{fmt.Sprintf("a run on %d hosts, verbose %t", hosts, verbose), func(a *app, f filler) { playRun(a, f, hosts, verbose) }})
		}
		all = append(all, scene{fmt.Sprintf("a report on %d hosts", hosts), func(a *app, f filler) { playReports(a, f, hosts) }})
	}
	return all
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
func playRun(a *app, f filler, n int, verbose bool) {
	a.verbose = verbose
	v, hosts := newTextView(a), f.hosts(n)
	start := filled[event.Event](f)
	start.Type, start.Hosts = event.TypeStart, hosts
	v.event(start)
	for _, step := range append(order(), event.Step(f.text)) {
		for _, state := range []event.State{event.Started, event.Done, event.Refused, event.Unknown, event.State(f.text)} {
			for _, host := range hosts {
				e := filled[event.Event](f)
				e.Type, e.Host, e.Step, e.State, e.Seconds = event.TypeStep, host, step, state, 1
				v.event(e)
			}
		}
	}
	for _, kind := range []event.Type{event.TypeOutput, event.TypeProgress, event.TypeNotice, event.TypeBarrier, event.Type(f.text)} {
		e := filled[event.Event](f)
		e.Type = kind
		if kind == event.TypeOutput {
			e.Message = f.output()
		}
		v.event(e)
	}
	v.flush()
}

// playReports shows the end of every kind of run.
func playReports(a *app, f filler, n int) {
	for _, outcome := range []event.Outcome{event.Succeeded, event.Aborted, event.RolledBack, event.Split, event.Locked, event.Interrupted, event.Outcome(f.text)} {
		for _, op := range []event.Op{event.Push, event.Rollback, event.Check, event.Op(f.text)} {
			for _, how := range []string{"", "DryRun", "NoLink", "Already", "Subset"} {
				for _, same := range []bool{true, false} {
					r := filled[event.Report](f)
					r.Outcome, r.Op = outcome, op
					if how != "" {
						reflect.ValueOf(&r).Elem().FieldByName(how).SetBool(true)
					}
					for _, host := range f.hosts(n) {
						h := r.Hosts[0]
						h.Host, h.Known, h.Degraded = host, same, !same
						r.Hosts = append(r.Hosts, h)
					}
					r.Hosts[1].Linked, r.Hosts[1].Known = "", true
					newTextView(a).report(r, f.text)
				}
			}
		}
	}
}

// played is what a scene prints.
func played(s scene, text string) string {
	var out, errs bytes.Buffer
	a := &app{streams: streams{Out: printer{&out}, Err: printer{&errs}}, signals: &signals{next: make(chan struct{})}, bugs: &bugs{}}
	s.play(a, filler{text: text, deep: map[reflect.Type]bool{}})
	return out.String() + errs.String()
}

// TestAHostCannotForgeALine: whatever it says, wherever kis shows it, stays within the line that kis has begun, and is shown as it is.
func TestAHostCannotForgeALine(t *testing.T) {
	t.Parallel()
	for _, s := range scenes(t.Context()) {
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

// TestJSONOfAHostIsOneLine that can be looked at, and from which programs read what the host has said.
func TestJSONOfAHostIsOneLine(t *testing.T) {
	t.Parallel()
	f := filler{text: forged, deep: map[reflect.Type]bool{}}
	for _, value := range []any{
		new(filled[event.Event](f)), new(filled[event.Report](f)), new(filled[survey.Repository](f)), new(filled[survey.Stage](f)),
		new(filled[deploy.Unlocked](f)), new(filled[survey.Package](f)), new(filled[survey.Run](f)),
	} {
		var out bytes.Buffer
		printer{&out}.json(value)
		oracle.Output(t, out.String())
		assert.Equal(t, 1, strings.Count(out.String(), "\n"))
		plain, err := json.Marshal(value)
		require.NoError(t, err)
		assert.JSONEq(t, string(plain), out.String())
	}
}
