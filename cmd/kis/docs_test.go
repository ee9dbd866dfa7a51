package main

import (
	"bytes"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/docs"
	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/ui"
)

// The manual pages are made here, in a test, and not in kis: their generator would otherwise be a
// part of the program that is installed.
var updateManPages = flag.Bool("update", false, "TestManPages writes docs/man instead of comparing with it") //nolint:gochecknoglobals // flags of a test have no other place

// manDir is where the manual pages are.
const manDir = "../../docs/man"

// manDate stands in the pages. It is a constant, so that the same commands give the same pages on
// any day; change it when they change.
const manDate = "2026-11-29"

// manPages are the manual pages by file name.
func manPages(t *testing.T) map[string]string {
	t.Helper()
	root := newRoot(&app{})
	root.DisableAutoGenTag = true
	for _, c := range append(root.Commands(), root) {
		forMan(t, c)
	}
	date, err := time.Parse(time.DateOnly, manDate)
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, doc.GenManTree(root, &doc.GenManHeader{Section: "1", Source: "kis", Manual: "User commands", Date: &date}, dir))
	pages := readDir(t, dir)
	for name, text := range pages {
		pages[name] = tagged.ReplaceAllString(value.ReplaceAllString(text, `$1 \fI$2\fP`), ".TP\n$1\n")
	}
	return pages
}

// What the generator writes for flags is hard to read: it has `--yes[=false]`, and the explanation
// on the same line.
var (
	value  = regexp.MustCompile(`(?m)^(\\fB-.*\\fP)="?([^"\n]*)"?$`)
	tagged = regexp.MustCompile(`(?m)^(?:\.PP\n)?(\\fB-.*)\n\t`)
)

// forMan turns a command's help into what the generator expects: Markdown, with separate examples.
func forMan(t *testing.T, c *cobra.Command) {
	t.Helper()
	text, found := strings.CutSuffix(c.Long, statusOf(c))
	require.True(t, found, "%s: the help ends with the exit status", c.Name())
	text, examples := splitExamples(text)
	c.Example = strings.ReplaceAll(examples, "\n  ", "\n")
	// A list of what is indented must stay one; what is in angle brackets is no HTML.
	c.Long = escapeMarkdown(strings.TrimSpace(text)) + "\n\n# EXIT STATUS\n```\n" + strings.Trim(strings.TrimPrefix(statusOf(c), "\nExit status:"), "\n") + "\n```\n"
	c.Use = escapeMarkdown(c.Use)
	c.InitDefaultHelpFlag()
	for _, set := range []*pflag.FlagSet{c.LocalNonPersistentFlags(), c.PersistentFlags()} {
		set.VisitAll(flagForMan)
	}
}

// flagForMan puts the name of the flag's value where the generator writes its default, which goes
// into the explanation.
func flagForMan(f *pflag.Flag) {
	name, usage := pflag.UnquoteUsage(f)
	if !slices.Contains([]string{"", "false", "0", "0s"}, f.DefValue) {
		usage += " (default " + f.DefValue + ")"
	}
	f.Usage, f.DefValue, f.NoOptDefVal = escapeMarkdown(usage), strings.ToUpper(name), ""
}

// splitExamples takes the examples off the end of a help text. They are indented by two.
func splitExamples(text string) (rest, examples string) {
	for _, title := range []string{"\nExamples:\n", "\nExample:\n"} {
		if rest, examples, found := strings.Cut(text, title); found {
			return rest, strings.TrimSpace(examples)
		}
	}
	return text, ""
}

func escapeMarkdown(text string) string {
	return strings.NewReplacer("<", `\<`, "*", `\*`, "_", `\_`, "[", `\[`).Replace(text)
}

func readDir(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	files := map[string]string{}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		require.NoError(t, err)
		files[e.Name()] = string(text)
	}
	return files
}

func TestManPages(t *testing.T) {
	t.Parallel()
	want := manPages(t)
	if *updateManPages {
		require.NoError(t, os.RemoveAll(manDir))
		require.NoError(t, os.MkdirAll(manDir, 0o755))
		for name, text := range want {
			require.NoError(t, os.WriteFile(filepath.Join(manDir, name), []byte(text), 0o644))
		}
	}
	have := readDir(t, manDir)
	assert.ElementsMatch(t, slices.Collect(maps.Keys(want)), slices.Collect(maps.Keys(have)))
	for name, text := range want {
		if have[name] != text { // two whole pages would hide the one line that is to be said
			assert.Fail(t, name+": the commands have changed: go test ./cmd/kis -run TestManPages -update")
		}
	}
}

func TestManPagesHoldTheWholeHelp(t *testing.T) {
	t.Parallel()
	pages := manPages(t)
	root := newRoot(&app{})
	require.Len(t, pages, 1+len(root.Commands()))
	for _, c := range append(root.Commands(), root) {
		page := plainText(pages[strings.ReplaceAll(c.CommandPath(), " ", "-")+".1"])
		help, _ := strings.CutSuffix(c.Long, statusOf(c))
		for line := range strings.Lines(help + c.Short) {
			if text := strings.TrimSpace(line); !strings.HasPrefix(text, "Example") {
				assert.Contains(t, page, plainText(text), "%s", c.Name())
			}
		}
		c.Flags().VisitAll(func(f *pflag.Flag) { assert.Contains(t, page, plainText(f.Usage), "%s", c.Name()) })
	}
}

// plainText drops white space and what roff and Markdown mark text with.
func plainText(text string) string {
	for _, request := range []string{"\\fB", "\\fR", "\\fI", "\\f", "\\-", "\\&", ".PP"} {
		text = strings.ReplaceAll(text, request, "")
	}
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \n\t\\`-'", r) {
			return -1
		}
		return r
	}, text)
}

func TestHelpShowsTopics(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	status := execute(t.Context(), newApp(ui.Streams{Out: ui.NewPrinter(&out), Err: ui.NewPrinter(&errs)}, nil, event.NewStream("", nil)), []string{"help", "layout"})
	assert.Zero(t, status)
	assert.Contains(t, out.String(), "# Layout\n")
	for _, topic := range docs.Topics() {
		assert.False(t, isCommand(newRoot(&app{}), topic.Name), "%s is a command, whose help goes before", topic.Name)
	}
}

func TestEveryCommandExplainsItself(t *testing.T) {
	t.Parallel()
	// Why a command needs no example. A command that gets one, or is removed, is removed here.
	withoutExample := map[string]string{
		"kis":         "its help lists the commands, and names one to try",
		"kis status":  "it takes nothing but the name of a stage",
		"kis list":    "it takes nothing but the name of a stage",
		"kis check":   "it takes nothing but the name of a stage",
		"kis hosts":   "its pattern is that of --hosts, which the help of the flag shows",
		"kis demo":    "it takes nothing, and is an example of the other commands itself",
		"kis version": "it takes nothing",
	}
	root := newRoot(&app{})
	for _, c := range append(root.Commands(), root) {
		name := c.CommandPath()
		assert.NotEmpty(t, c.Short, name)
		text, found := strings.CutSuffix(c.Long, statusOf(c))
		assert.True(t, found, "%s: the help ends with the exit status", name)
		assert.Greater(t, len(strings.TrimSpace(text)), len(c.Short), "%s: the long help says more than the short one", name)
		_, examples := splitExamples(text)
		for example := range strings.Lines(examples) {
			assert.True(t, strings.HasPrefix(strings.TrimSpace(example), name+" "), "%s: an example begins with the command: %q", name, example)
		}
		assert.NotEqual(t, examples != "", withoutExample[name] != "", "%s: an example, or a reason why not", name)
		delete(withoutExample, name)
		c.Flags().VisitAll(func(f *pflag.Flag) { assert.NotEmpty(t, f.Usage, "%s --%s", name, f.Name) })
	}
	assert.Empty(t, withoutExample, "there are no such commands")
}

// TestExitStatusIsTheOneOfTheReadme: the promises are made at two places, in the same words.
func TestExitStatusIsTheOneOfTheReadme(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	for line := range strings.Lines(strings.TrimSpace(exitStatus)) {
		code, promise, found := strings.Cut(strings.TrimSpace(line), "  ")
		if !found {
			continue // the title
		}
		same := false
		for row := range strings.Lines(string(readme)) {
			same = same || strings.HasPrefix(row, "| "+code+" | ") && letters(row) == letters(code+strings.Replace(promise, "see ", "", 1))
		}
		assert.True(t, same, "README.md has no row %s: %s", code, promise)
	}
}

// letters compares sentences, not the marks around words.
func letters(text string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(" |`().,:;\n", r) {
			return -1
		}
		return r
	}, text)
}

// documents are the texts for people, by their paths from here.
func documents(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	for _, pattern := range []string{"../../*.md", "../../docs/*.md"} {
		found, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, path := range found {
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			texts[path] = string(text)
		}
	}
	require.Contains(t, texts, "../../docs/testing.md")
	return texts
}

// TestDocumentsNameTestsThatExist: a promise that names the test which shows it must not outlive
// that test.
func TestDocumentsNameTestsThatExist(t *testing.T) {
	t.Parallel()
	there := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)\w+)\(`)
	require.NoError(t, filepath.WalkDir("../..", func(path string, _ os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, found := range function.FindAllSubmatch(text, -1) {
			there[string(found[1])] = true
		}
		return err
	}))
	for path, text := range documents(t) {
		for _, found := range regexp.MustCompile("`((?:Test|Fuzz)[A-Z]\\w+)`").FindAllStringSubmatch(text, -1) {
			assert.True(t, there[found[1]], "%s names %s, which does not exist", path, found[1])
		}
	}
}

// TestFaultsHaveTheTestsOfTheirRows: for the packages whose tests carry ids of faults, those ids
// and docs/testing.md say the same.
func TestFaultsHaveTheTestsOfTheirRows(t *testing.T) {
	t.Parallel()
	documented, tested := map[string][]string{}, map[string][]string{}
	rows := regexp.MustCompile(`(?m)^\| ([A-Z]\d+) \|.*\| ([^|]*) \|$`).FindAllStringSubmatch(documents(t)["../../docs/testing.md"], -1)
	for _, row := range rows {
		documented[row[1]] = nil
	}
	require.Len(t, documented, len(rows), "an id stands there twice")
	require.Greater(t, len(rows), 100)
	for _, name := range []string{"e2e", "recovery", "compat"} {
		for _, row := range rows {
			if slices.Contains(strings.Split(row[2], ", "), name) {
				documented[row[1]] = append(documented[row[1]], name)
			}
		}
		files, err := filepath.Glob(filepath.Join("../../internal/test", name, "*_test.go"))
		require.NoError(t, err)
		for _, path := range files {
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			for _, found := range regexp.MustCompile(`(?m)^func Test[A-Za-z0-9]+((?:_[A-Z]\d+)+)\(`).FindAllSubmatch(text, -1) {
				for id := range strings.SplitSeq(strings.Trim(string(found[1]), "_"), "_") {
					if !slices.Contains(tested[id], name) {
						tested[id] = append(tested[id], name)
					}
				}
			}
		}
	}
	for _, row := range rows {
		assert.Equal(t, documented[row[1]], tested[row[1]], row[1])
		delete(tested, row[1])
	}
	assert.Empty(t, tested, "ids that are not in docs/testing.md")
}

func TestLinksOfDocumentsLeadSomewhere(t *testing.T) {
	t.Parallel()
	for path, text := range documents(t) {
		for _, found := range regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`).FindAllStringSubmatch(text, -1) {
			_, err := os.Stat(filepath.Join(filepath.Dir(path), found[1]))
			assert.NoError(t, err, "%s: %s", path, found[0])
		}
	}
}

// TestDocumentsNameVariablesThatExist: the table of docs/release.md and the one place that sets
// the variables say the same.
func TestDocumentsNameVariablesThatExist(t *testing.T) {
	t.Parallel()
	code, err := os.ReadFile("../../internal/deploy/commands.go")
	require.NoError(t, err)
	variables := func(text string) []string {
		found := regexp.MustCompile(`KIS_[A-Z]+\b`).FindAllString(text, -1)
		slices.Sort(found)
		return slices.Compact(found)
	}
	_, table, _ := strings.Cut(documents(t)["../../docs/release.md"], "| variable |")
	table, _, _ = strings.Cut(table, "\n\n")
	want := variables(string(code))
	require.NotEmpty(t, want)
	assert.Equal(t, want, variables(table))
}
