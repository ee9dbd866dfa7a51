package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/keep-it-simple/kis/internal/safetext"
)

// timeFormat is how a moment is printed: in this machine's zone, and with its name.
const timeFormat = time.DateTime + " MST"

// painter colors text, or leaves it.
type painter struct{ on bool }

func (a *app) painter() painter {
	switch a.color {
	case "always":
		return painter{on: true}
	case "never":
		return painter{}
	}
	return painter{on: a.Color && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

func (p painter) sgr(code, text string) colored {
	text = safetext.Line(text)
	if !p.on {
		return colored(text)
	}
	return colored("\x1b[" + code + "m" + text + "\x1b[0m")
}

func (p painter) good(text string) colored   { return p.sgr("32", text) }
func (p painter) bad(text string) colored    { return p.sgr("31", text) }
func (p painter) warn(text string) colored   { return p.sgr("33", text) }
func (p painter) strong(text string) colored { return p.sgr("1", text) }

func orNone(link string) string {
	if link == "" {
		return "nothing"
	}
	return link
}

// list joins names, and counts those that do not fit.
func list(names []string, most int) string {
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most-1], ", "), len(names)-most+1)
}

func size(bytes int64) string {
	switch {
	case bytes < 10_000:
		return fmt.Sprintf("%d bytes", bytes)
	case bytes < 10_000_000:
		return fmt.Sprintf("%d kB", bytes/1000)
	}
	return fmt.Sprintf("%d MB", bytes/1_000_000)
}

func seconds(s float64) string {
	return time.Duration(s * float64(time.Second)).Round(10 * time.Millisecond).String()
}
