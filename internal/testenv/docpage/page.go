// Package docpage follows a page of docs/ word by word, so that what the page says is what ran.
//
// Each fenced block of a page is one of two kinds, by the words after its fence:
//
//	LANGUAGE PATH   a file of the project, written as it stands
//	console         commands after "$ ", their further lines after "> ", and the output that is expected
//
// Every other block is an error, because nothing would run it. In expected output … stands for any text, and alone on a line
// for any lines. A command that shows no output has to print none. One that fails is followed by "$ echo $?".
package docpage

import (
	"fmt"
	"path/filepath"
	"strings"
)

// section is what a heading of the second level begins.
type section struct {
	title  string
	blocks []block
}

// block is a file, or commands.
type block struct {
	line     int
	file     string // path below the project; "" for commands
	text     string
	commands []command
}

// command is one command line with what it has to print.
type command struct {
	line   int
	text   string
	output []string
}

const fence = "```"

// parse reads the sections of a page that have blocks.
func parse(text string) ([]section, error) {
	var all []section
	current := section{title: "the introduction"}
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		if title, is := strings.CutPrefix(lines[i], "## "); is {
			all, current = add(all, current), section{title: title}
			continue
		}
		info, is := strings.CutPrefix(lines[i], fence)
		if !is {
			if strings.HasPrefix(strings.TrimSpace(lines[i]), fence) || strings.HasPrefix(lines[i], "~~~") {
				return nil, fmt.Errorf("line %d: a fence has to begin its line, with %s", i+1, fence)
			}
			continue
		}
		begin := i + 1
		for i++; i < len(lines) && lines[i] != fence; i++ {
			continue
		}
		if i == len(lines) {
			return nil, fmt.Errorf("line %d: the block has no end", begin)
		}
		b, err := parseBlock(begin, info, lines[begin:i])
		if err != nil {
			return nil, err
		}
		current.blocks = append(current.blocks, b)
	}
	return add(all, current), nil
}

func add(all []section, s section) []section {
	if len(s.blocks) == 0 {
		return all
	}
	return append(all, s)
}

func parseBlock(line int, info string, lines []string) (block, error) {
	b := block{line: line}
	words := strings.Fields(info)
	switch {
	case len(words) == 1 && words[0] == "console":
		var err error
		b.commands, err = parseCommands(line, lines)
		return b, err
	case len(words) == 2 && words[0] != "console" && filepath.IsLocal(words[1]):
		b.file, b.text = words[1], strings.Join(lines, "\n")+"\n"
		return b, nil
	}
	return b, fmt.Errorf("line %d: a block %q is neither a file (LANGUAGE PATH) nor commands (console)", line, info)
}

func parseCommands(line int, lines []string) ([]command, error) {
	var all []command
	for i, text := range lines {
		first, begins := strings.CutPrefix(text, "$ ")
		further, continues := strings.CutPrefix(text, "> ")
		switch {
		case begins:
			all = append(all, command{line: line + i + 1, text: first})
		case len(all) == 0:
			return nil, fmt.Errorf("line %d: output of no command", line+i+1)
		case continues && len(all[len(all)-1].output) == 0:
			all[len(all)-1].text += "\n" + further
		default:
			all[len(all)-1].output = append(all[len(all)-1].output, text)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("line %d: no command", line)
	}
	return all, nil
}

const anything = "…"

// matches reports whether lines are what a page shows of them.
func matches(shown, lines []string) bool {
	if len(shown) == 0 {
		return len(lines) == 0
	}
	if shown[0] == anything {
		for skip := 0; skip <= len(lines); skip++ {
			if matches(shown[1:], lines[skip:]) {
				return true
			}
		}
		return false
	}
	return len(lines) > 0 && matchesLine(shown[0], lines[0]) && matches(shown[1:], lines[1:])
}

func matchesLine(shown, line string) bool {
	parts := strings.Split(shown, anything)
	rest, is := strings.CutPrefix(line, parts[0])
	if !is || len(parts) == 1 {
		return is && rest == ""
	}
	for _, part := range parts[1 : len(parts)-1] {
		_, after, found := strings.Cut(rest, part)
		if !found {
			return false
		}
		rest = after
	}
	return strings.HasSuffix(rest, parts[len(parts)-1])
}
