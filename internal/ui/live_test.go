package ui

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/guard"
	"github.com/keep-it-simple/kis/internal/testenv/ttytest"
)

// liveUI is a user interface at a terminal of so many columns and lines.
func liveUI(t *testing.T, columns, lines int) (*UI, *ttytest.Emulator) {
	t.Helper()
	screen := ttytest.NewEmulator(columns, lines)
	out := NewPrinter(screen)
	u := &UI{Streams: Streams{Out: out, Err: out, Terminal: true, Columns: screen.Width, Lines: screen.Height}, Color: "always"}
	u.Caught = func(p *guard.Panic) { t.Error(p) }
	return u, screen
}

// stepStarted is the beginning of a step, stepDone its end.
func stepStarted(host string, s event.Step) event.Event {
	return event.Event{Type: event.TypeStep, Host: host, Step: s, State: event.Started, Time: time.Now()}
}

func stepDone(host string, s event.Step) event.Event {
	return event.Event{Type: event.TypeStep, Host: host, Step: s, State: event.Done, Time: time.Now(), Seconds: 1}
}

func lineSaid(host string, s event.Step, line string) event.Event {
	return event.Event{Type: event.TypeOutput, Host: host, Step: s, Message: line, Time: time.Now()}
}

// later lets time pass, and the rows be drawn.
func later(d time.Duration) {
	time.Sleep(d) //nolint:forbidigo // the clock of a bubble
	synctest.Wait()
}

func TestTheLiveAreaShowsWhatKisWaitsFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, screen := liveUI(t, 60, 24)
		v := u.View()
		end := v.Begin()
		defer end()
		v.Event(event.Event{Type: event.TypeStart, Op: event.Push, Package: "app-1", Stage: "live", Hosts: []string{"web1", "web2", "web3"}, Time: time.Now()})
		for _, host := range []string{"web1", "web2", "web3"} {
			v.Event(stepStarted(host, event.StepWheels))
		}
		later(200 * time.Millisecond)
		require.Equal(t, "push app-1 to live on web1, web2, web3\n", screen.Text(), "a step that has just begun would flicker")
		later(200 * time.Millisecond)
		require.Equal(t, `push app-1 to live on web1, web2, web3
web1     wheels
web2     wheels
web3     wheels
──       barrier             0 of 3 ready
`, screen.Text(), "after less than half a second")
		v.Event(lineSaid("web1", event.StepWheels, "\tCollecting django>=5 (from -r requirements.txt)"))
		later(9 * time.Second)
		require.Equal(t, `push app-1 to live on web1, web2, web3
web1     wheels         9 s  | Collecting django>=5 (from …
web2     wheels         9 s
web3     wheels         9 s
──       barrier        9 s  0 of 3 ready
`, screen.Text())
		v.Event(stepDone("web1", event.StepWheels))
		v.Event(stepStarted("web1", event.StepUpload))
		v.Event(event.Event{Type: event.TypeProgress, Host: "web1", Step: event.StepUpload, Done: 1 << 20, Total: 4 << 20, Time: time.Now()})
		later(2 * time.Second)
		v.Event(event.Event{Type: event.TypeProgress, Host: "web1", Step: event.StepUpload, Done: 3 << 20, Total: 4 << 20, Time: time.Now()})
		later(time.Second)
		require.Equal(t, `push app-1 to live on web1, web2, web3
web1     upload         2 s  75 % of 4194 kB, 1048 kB/s
web2     wheels        12 s
web3     wheels        12 s
──       barrier       12 s  0 of 3 ready
`, screen.Text())
		v.Event(stepDone("web1", event.StepUpload))
		v.Event(stepStarted("web1", event.StepSeal))
		v.Event(stepDone("web1", event.StepSeal))
		later(time.Second)
		require.Contains(t, screen.Text(), "1 of 3 ready, waiting for w…\n")
		end()
		require.Equal(t, "push app-1 to live on web1, web2, web3\nweb1     upload        done  1 s\n", screen.Text(), "nothing of the rows is left")
		assert.Empty(t, screen.Unknown)
	})
}

// TestTheLiveAreaIsCalm: it is written when it changes, which is once a second.
func TestTheLiveAreaIsCalm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, screen := liveUI(t, 80, 24)
		v := u.View()
		defer v.Begin()()
		v.Event(stepStarted("web1", event.StepVerify))
		later(time.Second)
		before := screen.Writes
		for range 10_000 {
			v.Event(lineSaid("web1", event.StepVerify, "the same line"))
			v.Event(event.Event{Type: event.TypeProgress, Host: "web2", Step: event.StepUpload, Done: 1, Total: 2})
		}
		later(10 * time.Second)
		assert.LessOrEqual(t, screen.Writes-before, 12)
	})
}

func TestLocalWorkIsShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, screen := liveUI(t, 80, 24)
		v := u.View()
		end := v.Building()
		later(400 * time.Millisecond)
		assert.Equal(t, "building the source distribution\n", screen.Text())
		_, _ = io.WriteString(v.BuildLog(), "running egg_info\nrunning sdist\nhalf of ")
		later(2 * time.Second)
		assert.Equal(t, "building the source distribution  2 s  | running sdist\n", screen.Text())
		v.Say("making a private build environment")
		assert.Equal(t, "making a private build environment\nbuilding the source distribution  2 s  | running sdist\n", screen.Text())
		end()
		assert.Equal(t, "making a private build environment\n", screen.Text())
		assert.Nil(t, u.area())
	})
}

func TestTheLiveAreaGivesWayToQuestions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, screen := liveUI(t, 80, 24)
		v := u.View()
		end := v.Begin()
		v.Event(stepStarted("web1", event.StepVerify))
		later(time.Minute)
		rows := "web1  verify        1 min 00 s\n"
		require.Equal(t, rows, screen.Text())
		release := u.area().pause()
		u.Message("first")
		later(time.Second)
		require.Equal(t, "\n", screen.Text(), "the user is typing")
		inner := u.area().pause()
		inner()
		require.Equal(t, "\n", screen.Text())
		release()
		require.Equal(t, "kis: first\nweb1  verify        1 min 01 s\n", screen.Text())
		release = u.area().pause()
		u.Message("second")
		end()
		release()
		later(time.Second)
		require.Equal(t, "kis: first\nkis: second\n", screen.Text())
	})
}

// TestANarrowerTerminalHasNoDebris: the terminal has wrapped the rows, and then they are erased.
func TestANarrowerTerminalHasNoDebris(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, screen := liveUI(t, 120, 24)
		v := u.View()
		end := v.Begin()
		u.Out.Lines("kept")
		var hosts []string
		for i := range 3 {
			hosts = append(hosts, fmt.Sprintf("web%d", i))
		}
		v.Event(event.Event{Type: event.TypeStart, Stage: "live", Op: event.Push, Hosts: hosts, Time: time.Now()})
		for _, h := range hosts {
			v.Event(stepStarted(h, event.StepVerify))
			v.Event(lineSaid(h, event.StepVerify, h+strings.Repeat(" and so on", 20)))
		}
		later(time.Second)
		for i, columns := range []int{61, 30, 119, 20, 200, 80, 40, 90} {
			screen.Resize(columns)
			later(time.Second)
			text := screen.Text()
			assert.Equal(t, 1, strings.Count(text, "kept"), "%d columns:\n%s", columns, text)
			assert.Equal(t, 4, strings.Count(text, "verify")+strings.Count(text, "barrier"), "%d columns:\n%s", columns, text)
			if i > 5 {
				u.Message("above")
			}
		}
		end()
		assert.NotContains(t, screen.Text(), "verify")
		assert.Equal(t, 2, strings.Count(screen.Text(), "kis: above\n"))
	})
}

// TestALowTerminalScrollsNothingAway: rows that leave the screen could not be erased.
func TestALowTerminalScrollsNothingAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for lines := 1; lines < 14; lines++ {
			u, screen := liveUI(t, 80, lines)
			v := u.View()
			end := v.Begin()
			for i := range 6 {
				h := fmt.Sprintf("web%d", i)
				v.Event(stepStarted(h, event.StepVerify))
				v.Event(lineSaid(h, event.StepVerify, h))
			}
			later(2 * time.Second)
			u.Message("something")
			later(2 * time.Second)
			end()
			assert.Equal(t, "kis: something\n", screen.Text(), "%d lines", lines)
		}
	})
}

func TestWithoutACapableTerminalThereAreOnlyLines(t *testing.T) {
	for name, change := range map[string]func(*UI){
		"pipe":      func(u *UI) { u.Terminal, u.Columns, u.Lines = false, nil, nil },
		"TERM=dumb": func(*UI) { t.Setenv("TERM", "dumb") },
		"--quiet":   func(u *UI) { u.Quiet = true },
		"-o json":   func(u *UI) { u.Output = JSON },
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, os.Unsetenv("TERM"))
			synctest.Test(t, func(t *testing.T) {
				u, screen := liveUI(t, 80, 24)
				change(u)
				v := u.View()
				end := v.Begin()
				waiting := u.Waiting("something")
				v.Event(stepStarted("web1", event.StepVerify))
				later(time.Minute)
				waiting()
				end()
				assert.NotContains(t, screen.Text(), "\x1b")
				assert.NotContains(t, screen.Text(), "something")
			})
		})
	}
}

func TestRowsHaveNoColorsWithNoColor(t *testing.T) {
	t.Setenv("NO_COLOR", "1")
	t.Setenv("TERM", "xterm")
	synctest.Test(t, func(t *testing.T) {
		u, screen := liveUI(t, 80, 24)
		u.Color = "auto"
		v := u.View()
		defer v.Begin()()
		v.Event(event.Event{Type: event.TypeStart, Stage: "live", Op: event.Push, Hosts: []string{"web1"}, Time: time.Now()})
		v.Event(stepStarted("web1", event.StepVerify))
		later(time.Second)
		assert.Contains(t, screen.Text(), "0 of 1 ready")
		assert.Zero(t, screen.Colors)
	})
}

// stuck is a terminal that takes no output any more.
type stuck struct{ forever chan struct{} }

func (s stuck) Write(text []byte) (int, error) {
	<-s.forever
	return len(text), nil
}

// TestASecondCtrlCEndsKis, whether the terminal takes output or not.
func TestASecondCtrlCEndsKis(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, screen := liveUI(t, 80, 24)
		u.Waiting("something")
		later(time.Second)
		require.Contains(t, screen.Text(), "something")
		u.Leave()
		require.Equal(t, "\n", screen.Text())
		forever := make(chan struct{})
		defer close(forever)
		u.Out = NewPrinter(stuck{forever})
		u.Waiting("something")
		time.Sleep(time.Second) //nolint:forbidigo // the clock of a bubble
		before := time.Now()
		u.Leave()
		assert.Equal(t, leaveTimeout, time.Since(before))
	})
}

func TestFewHostsShareLinesAboveTheRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, screen := liveUI(t, 80, 24)
		v := u.View()
		defer v.Begin()()
		hosts := []string{"web1", "web2", "web3"}
		v.Event(event.Event{Type: event.TypeStart, Op: event.Push, Stage: "live", Hosts: hosts, Time: time.Now()})
		for _, h := range hosts {
			v.Event(stepStarted(h, event.StepConnect))
		}
		for _, h := range hosts {
			v.Event(stepDone(h, event.StepConnect))
		}
		later(time.Second)
		assert.Equal(t, "push live on web1, web2, web3\n3 hosts  connect       done  1 s\n──       connect        1 s  3 of 3 connected\n", screen.Text())
	})
}

func TestARunThatIsGivenUpNamesTheHostsWithLocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, screen := liveUI(t, 80, 24)
		v := u.View()
		defer v.Begin()()
		hosts := []string{"web1", "web2", "web3"}
		v.Event(event.Event{Type: event.TypeStart, Op: event.Push, Stage: "live", Hosts: hosts, Time: time.Now()})
		for _, h := range hosts {
			u.Watch(h, true)
			v.Event(stepStarted(h, event.StepSeal))
		}
		v.Event(event.Event{Type: event.TypeBarrier, State: event.Refused, Time: time.Now()})
		u.Watch("web2", false)
		later(time.Second)
		assert.Contains(t, screen.Text(), "──       unlock         1 s  releasing the locks, waiting for web1, web3\n")
	})
}
