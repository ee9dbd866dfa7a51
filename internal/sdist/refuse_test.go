package sdist

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// refusal is an archive that must not be accepted, and what the error says.
type refusal struct {
	members []member
	want    string
}

func in(name string) string { return "projecta-0.4/" + name }

// refusals is also where the fuzzer starts.
func refusals() map[string]refusal {
	all := map[string]refusal{}
	for _, table := range []map[string]refusal{typeRefusals(), nameRefusals(), linkRefusals(), placeRefusals(), headerRefusals()} {
		maps.Copy(all, table)
	}
	return all
}

func typeRefusals() map[string]refusal {
	special := func(typeflag byte) []member {
		return sample(member{name: in("x"), typeflag: typeflag, mode: 0o644, link: "/etc/passwd"})
	}
	mode := func(m member, mode int64) []member {
		m.mode = mode
		return sample(m)
	}
	return map[string]refusal{
		"hard link":              {special('1'), "projecta-0.4/x: is a hard link"},
		"character device":       {special('3'), "projecta-0.4/x: is a device"},
		"block device":           {special('4'), "projecta-0.4/x: is a device"},
		"fifo":                   {special('6'), "projecta-0.4/x: is a fifo"},
		"contiguous file":        {special('7'), "projecta-0.4/x: is of the unknown type '7'"},
		"multi-volume":           {special('M'), "projecta-0.4/x: is of the unknown type 'M'"},
		"GNU dump directory":     {special('D'), "projecta-0.4/x: is of the unknown type 'D'"},
		"volume label":           {special('V'), "projecta-0.4/x: is of the unknown type 'V'"},
		"set-user-id":            {mode(file(in("x"), "y"), 0o4755), "set-user-id or set-group-id bit (mode 4755)"},
		"set-group-id":           {mode(file(in("x"), "y"), 0o2755), "set-group-id bit (mode 2755): remove it with chmod ug-s"},
		"unreadable file":        {mode(file(in("x"), "y"), 0o044), "is not accessible to its owner (mode 0044)"},
		"closed directory":       {mode(dir(in("x")), 0o500), "is not accessible to its owner (mode 0500)"},
		"directory with content": {sample(member{name: in("x"), typeflag: '5', mode: 0o755, data: "y"}), "has content but is no regular file"},
		"link with content":      {sample(member{name: in("x"), typeflag: '2', link: "y", data: "y"}), "has content but is no regular file"},
		"file with link name":    {sample(member{name: in("x"), typeflag: '0', mode: 0o644, link: "/etc/passwd"}), "has a link name but is no symbolic link"},
		"long link name on a file": {
			sample(member{name: in("x"), typeflag: '0', mode: 0o644, longLink: "/etc/passwd"}), "has a link name but is no symbolic link",
		},
		"pax link name on a file": {
			sample(member{name: in("x"), typeflag: '0', mode: 0o644, pax: map[string]string{"linkpath": "/etc/passwd"}}),
			"has a link name but is no symbolic link",
		},
	}
}

func nameRefusals() map[string]refusal {
	named := func(name string) []member { return sample(file(name, "y")) }
	long := func(name string) []member { return sample(member{name: "x", typeflag: '0', mode: 0o644, long: name}) }
	return map[string]refusal{
		"absolute":             {named("/etc/passwd"), "/etc/passwd: has an absolute name"},
		"climbing":             {named(in("../x")), "projecta-0.4/../x: has a .. in its name"},
		"climbing at the end":  {named(in("a/..")), "has a .. in its name"},
		"climbing first":       {named("../projecta-0.4/x"), "has a .. in its name"},
		"file ending in slash": {named(in("x/")), "has the name of a directory and is none"},
		"file ending in a dot": {named(in("x/.")), "has the name of a directory and is none"},
		"file called dot":      {named("."), "has the name of a directory and is none"},
		"old directory":        {sample(member{name: in("x/"), typeflag: 0, mode: 0o755}), "has the name of a directory and is none"},
		"link ending in slash": {sample(link(in("x/"), "y")), "has the name of a directory and is none"},
		"climbing after dots":  {named("./" + in(".//../x")), "has a .. in its name"},
		"root by pax only":     {sample(member{name: in("x"), typeflag: '5', mode: 0o755, pax: map[string]string{"path": "./"}}), "lies outside projecta-0.4"},
		"no name":              {named(""), "has an empty name"},
		"newline":              {named(in("a\nb")), `"projecta-0.4/a\nb": has a control character`},
		"escape":               {named(in("a\x1b[2J")), "has a control character"},
		"delete":               {named(in("a\x7f")), "has a control character"},
		"C1 control":           {named(in("a\u009b2J")), "has a control character"},
		"not UTF-8":            {named(in("a\xff")), "has a name that is not UTF-8"},
		"long component":       {long(in(strings.Repeat("a", 256))), "has a component longer than 255 bytes"},
		"long name":            {long(in(strings.Repeat("a/", 600)) + "x"), "has a name longer than 1000 bytes"},
		"its own environment":  {named(in(".venv/pyvenv.cfg")), "has a name that is reserved for kis"},
		"its own directory":    {named(in(".kis/receipt.json")), "has a name that is reserved for kis"},
		"its own, other case":  {sample(dir(in(".VENV/"))), "has a name that is reserved for kis"},
		"its own, as a link":   {sample(link(in(".venv"), "src")), "has a name that is reserved for kis"},
	}
}

func linkRefusals() map[string]refusal {
	to := func(target string) []member { return sample(link(in("a/b/x"), target)) }
	return map[string]refusal{
		"absolute target":           {to("/etc/passwd"), "points to /etc/passwd, an absolute name: put a copy there instead of the link"},
		"target outside":            {to("../../../x"), "points to ../../../x, outside the package"},
		"target far outside":        {to("../../../../../../etc"), "outside the package"},
		"target is the parent":      {to("../../.."), "outside the package"},
		"target back inside":        {to("../../../projecta-0.4/x"), "outside the package"},
		"target climbs later":       {to("c/../x"), "a .. is allowed at the beginning only"},
		"target climbs from a dot":  {to("./.././../../x"), "outside the package"},
		"target hides its climbing": {to("..//../c/./../x"), "a .. is allowed at the beginning only"},
		"no target":                 {to(""), "the target has an empty name"},
		"target with newline":       {to("a\nb"), "the target has a control character"},
		"target not UTF-8":          {to("a\xff"), "the target has a name that is not UTF-8"},
		"target with a long component": {
			sample(member{name: in("x"), typeflag: '2', longLink: strings.Repeat("a", 256)}), "component longer than 255 bytes",
		},
		"long target": {
			sample(member{name: in("x"), typeflag: '2', longLink: strings.Repeat("a/", 501)}), "name longer than 1000 bytes",
		},
		// Each alone stays inside by its text; together they do not.
		"climbs through a link": {
			sample(link(in("a/b/up"), "../.."), link(in("x"), "a/b/up/../y")), "a .. is allowed at the beginning only",
		},
		"file below a link":     {sample(dir(in("a/")), link(in("x"), "a"), file(in("x/y"), "z")), "lies below the symbolic link projecta-0.4/x"},
		"link below a link":     {sample(link(in("a/b"), ".."), link(in("a/b/x"), "../..")), "lies below the symbolic link"},
		"link over a directory": {sample(file(in("x/y"), "z"), link(in("x"), "a")), "is in the archive twice, as different types"},
		"file over a link":      {sample(link(in("x"), "a"), file(in("x"), "z")), "is in the archive twice, as different types"},
		"link over a link":      {sample(link(in("x"), "a"), link(in("x"), "b")), "is in the archive twice"},
		"top-level link":        {[]member{link("projecta-0.4", "x")}, "does not lie in a directory"},
		"PKG-INFO as a link":    {[]member{link(in("PKG-INFO"), "x"), file(in("x"), pkgInfo)}, "PKG-INFO: is missing"},
		"below a link by case":  {sample(link(in("x"), "a"), file(in("X/y"), "z")), "lies in a directory that differs from projecta-0.4/x only by case"},
	}
}

func placeRefusals() map[string]refusal {
	return map[string]refusal{
		"second top-level directory": {sample(file("other-1.0/x", "y")), "other-1.0/x: lies outside projecta-0.4"},
		"second one by case":         {sample(file("ProjectA-0.4/x", "y")), "ProjectA-0.4/x: lies outside projecta-0.4"},
		"file at the top":            {sample(file("x", "y")), "x: does not lie in a directory"},
		"top-level file first":       {[]member{file("PKG-INFO", pkgInfo)}, "PKG-INFO: does not lie in a directory"},
		"no PKG-INFO":                {[]member{dir("projecta-0.4/"), file(in("setup.py"), "")}, "projecta-0.4/PKG-INFO: is missing"},
		"PKG-INFO in the egg-info":   {[]member{file(in("projecta.egg-info/PKG-INFO"), pkgInfo)}, "projecta-0.4/PKG-INFO: is missing"},
		"PKG-INFO as a directory":    {[]member{file(in("PKG-INFO/x"), pkgInfo)}, "projecta-0.4/PKG-INFO: is missing"},
		"PKG-INFO too large":         {[]member{file(in("PKG-INFO"), pkgInfo+strings.Repeat(" ", 1<<20))}, "PKG-INFO: is larger than 1 MiB"},
		"duplicate file":             {sample(file(in("x"), "1"), file(in("x"), "2")), "projecta-0.4/x: is in the archive twice, with different content"},
		"duplicate with other mode":  {sample(file(in("x"), "1"), member{name: in("x"), typeflag: '0', mode: 0o755, data: "1"}), "is in the archive twice, with different content"},
		"duplicate by another name":  {sample(file(in("x"), "1"), file(in(".//x"), "2")), "is in the archive twice, with different content"},
		"duplicate PKG-INFO":         {sample(file(in("PKG-INFO"), pkgInfo+"x")), "is in the archive twice, with different content"},
		"file and directory":         {sample(file(in("x"), "1"), dir(in("x/"))), "is in the archive twice, as different types"},
		"directory and file":         {sample(file(in("x/y"), "1"), file(in("x"), "1")), "is in the archive twice, as different types"},
		"file below a file":          {sample(file(in("x"), "1"), file(in("x/y"), "2")), "lies below projecta-0.4/x, which is a file"},
		"names differ by case":       {sample(file(in("Makefile"), "1"), file(in("makefile"), "2")), "differs from projecta-0.4/Makefile only by case"},
		"directories differ by case": {sample(file(in("Docs/a"), "1"), file(in("docs/b"), "2")), "lies in a directory that differs from projecta-0.4/Docs only by case"},
		"Kelvin sign":                {sample(file(in("k"), "1"), file(in("\u212a"), "2")), "only by case"},
		"accents by case":            {sample(file(in("É"), "1"), file(in("é"), "2")), "only by case"},
	}
}

func headerRefusals() map[string]refusal {
	pax := func(m member, records map[string]string) []member {
		m.pax = records
		return sample(m)
	}
	hidden := member{name: in("evil"), typeflag: '1', link: "/etc/passwd"}.header()
	global := func(records map[string]string) []member {
		return sample(member{name: "g", typeflag: 'g', mode: 0o644, data: paxData(records)}, file(in("x"), "y"))
	}
	extension := func(typeflag byte) string {
		return member{name: "././@LongLink", typeflag: typeflag, mode: 0o644, data: in("y") + "\x00"}.bytes()
	}
	table := map[string]refusal{
		"pax size as text":          {pax(file(in("x"), "yy"), map[string]string{"size": "02"}), "size"},
		"pax size of a directory":   {pax(dir(in("x/")), map[string]string{"size": "512"}), "size"},
		"pax size hides a header":   {pax(member{name: in("x"), typeflag: '0', mode: 0o644, sizeField: "00000000000\x00", data: hidden}, map[string]string{"size": "512"}), "size"},
		"pax path hides a climb":    {pax(file("../../x", ""), map[string]string{"path": in("x")}), "without its pax header: has a .. in its name"},
		"pax path hides absolute":   {pax(file("/etc/x", ""), map[string]string{"path": in("x")}), "without its pax header: has an absolute name"},
		"pax path hides other top":  {pax(file("other/x", ""), map[string]string{"path": in("x")}), "lies outside projecta-0.4 for a tar that ignores pax headers"},
		"pax linkpath hides target": {pax(link(in("x"), "/etc"), map[string]string{"linkpath": "y"}), "without its pax header: points to /etc"},
		"pax path climbs":           {pax(file(in("x"), ""), map[string]string{"path": in("../../x")}), "has a .. in its name"},
		"pax linkpath climbs":       {pax(link(in("x"), "y"), map[string]string{"linkpath": "/etc"}), "points to /etc"},
		"pax hides a link's place": {
			append(pax(link(in("d"), "sub"), map[string]string{"path": in("elsewhere")}), file(in("d/x"), "y")),
			"lies below the symbolic link projecta-0.4/d",
		},
		"pax hides a link's double": {
			append(pax(link(in("d"), "sub"), map[string]string{"path": in("elsewhere")}), file(in("d"), "y")),
			"takes the place of another member",
		},
		"empty pax path":      {pax(file(in("x"), ""), map[string]string{"path": ""}), "has an empty pax record"},
		"pax sparse file":     {pax(file(in("x"), ""), map[string]string{"GNU.sparse.name": in("z"), "GNU.sparse.major": "9", "GNU.sparse.minor": "9"}), "GNU.sparse."},
		"pax character set":   {pax(file(in("x"), ""), map[string]string{"hdrcharset": "BINARY"}), `has the pax record "hdrcharset"`},
		"global path":         {global(map[string]string{"path": in("z")}), `is a global pax header with the record "path"`},
		"global linkpath":     {global(map[string]string{"linkpath": "z"}), `is a global pax header with the record "linkpath"`},
		"global size":         {global(map[string]string{"size": "0"}), `is a global pax header with the record "size"`},
		"two long names":      {sample(member{name: in("x"), typeflag: '0', mode: 0o644, before: extension('L') + extension('L')}), "has two extension headers of type 'L'"},
		"long name and pax":   {sample(member{name: in("x"), typeflag: '0', mode: 0o644, long: in("y"), pax: map[string]string{"path": in("z")}}), "has both a GNU long name and a pax header"},
		"global inside":       {sample(member{name: "g", typeflag: 'g', data: paxData(map[string]string{"comment": "c"}), before: extension('L')}, file(in("x"), "y")), "is a global header between an extension header and its member"},
		"size in base 256":    {sample(member{name: in("x"), typeflag: '0', mode: 0o644, sizeField: "\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"}), "has a size that is not an octal number"},
		"size with a sign":    {sample(member{name: in("x"), typeflag: '0', mode: 0o644, sizeField: "+0000000000\x00"}), "has a size that is not an octal number"},
		"no size":             {sample(member{name: in("x"), typeflag: '0', mode: 0o644, sizeField: strings.Repeat("\x00", 12)}), "has a size that is not an octal number"},
		"size with a tail":    {sample(member{name: in("x"), typeflag: '0', mode: 0o644, sizeField: "0000000\x00777\x00"}), "has a size that is not an octal number"},
		"mode in base 256":    {sample(member{name: in("x"), typeflag: '0', modeText: "\x80\x00\x00\x00\x00\x00\x09\xed"}), "has a mode that is not an octal number"},
		"prefix in GNU magic": {sample(member{name: in("x"), prefix: "00000000000", typeflag: '0', mode: 0o644, magic: "ustar  \x00"}), "has a name that tar programs read in different ways"},
		"prefix climbs":       {sample(member{name: "x", prefix: in("../.."), typeflag: '0', mode: 0o644}), "has a .. in its name"},
		"lone extension":      {sample(member{name: "././@LongLink", typeflag: 'L', mode: 0o644, data: in("x") + "\x00"}), "ends without the end-of-archive blocks"},
	}
	return table
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range refusals() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := openMembers(t, test.members...)
			requireInvalid(t, err, test.want)
			assert.NotContains(t, err.Error(), "\n")
			assert.True(t, strings.HasPrefix(err.Error(), "projecta-0.4.tar.gz: "), err.Error())
		})
	}
}

func TestOpenAcceptsUnusualMembers(t *testing.T) {
	t.Parallel()
	tests := map[string][]member{
		"old type flag":        {{name: in("x"), mode: 0o644, data: "y"}},
		"GNU magic":            {{name: in("x"), typeflag: '0', mode: 0o644, magic: "ustar  \x00", data: "y"}},
		"no magic":             {{name: in("x"), typeflag: '0', mode: 0o644, magic: strings.Repeat("\x00", 8), data: "y"}},
		"prefix":               {{name: "y", prefix: in("a/b"), typeflag: '0', mode: 0o644}},
		"padded numbers":       {{name: in("x"), typeflag: '0', modeText: "   644 \x00", sizeField: "          1 ", data: "y"}},
		"file type in mode":    {file(in("x"), "y"), {name: in("z"), typeflag: '0', mode: 0o100644}},
		"long names":           {{name: "x", typeflag: '2', long: in(strings.Repeat("n", 255)), longLink: strings.Repeat("t", 255)}},
		"comment for all":      {{name: "g", typeflag: 'g', mode: 0o644, data: paxData(map[string]string{"comment": "0123abcd"})}, file(in("x"), "y")},
		"link to the top":      {link(in("a/b/top"), "../..")},
		"link to nowhere":      {link(in("x"), "nothing/here")},
		"link to itself":       {link(in("x"), "x")},
		"link with dots":       {link(in("a/x"), "./.././b//c/")},
		"link to a link":       {link(in("a/up"), ".."), link(in("x"), "a/up/x")},
		"dots in names":        {file(in("..."), ""), file(in("..x"), ""), file(in(".venv.bak"), ""), file(in("src/.venv/x"), ""), file(in("src/.kis"), "")},
		"names of all shells":  {file(in("$(id)"), ""), file(in("`id`"), ""), file(in("a;b|c&d>e"), ""), file(in("-rf"), ""), file(in("a'b\"c"), ""), file(in(" "), "")},
		"directory named late": {file(in("a/b/c"), ""), dir(in("a/b/")), dir(in("a/"))},
		"backslashes":          {file(in(`dev-disk-by\x2dlabel.device`), ""), file(in(`a\..\x`), ""), link(in("x"), `..\..\x`)},
	}
	for name, members := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := openMembers(t, sample(members...)...)
			require.NoError(t, err)
		})
	}
}

func TestOpenEnforcesLimits(t *testing.T) {
	t.Parallel()
	zeros := sample(file(in("zeros"), strings.Repeat("\x00", 1<<20)))
	var deep []member
	for i := range 40 {
		deep = append(deep, file(in(fmt.Sprintf("%d/a/b/c/x", i)), ""))
	}
	var globals []member
	for range 200 {
		globals = append(globals, member{name: "g", typeflag: 'g', mode: 0o644, data: paxData(map[string]string{"comment": "c"})})
	}
	tests := map[string]struct {
		members []member
		change  func(*limits)
		want    string
	}{
		"bytes":               {zeros, func(l *limits) { l.unpacked = 1 << 20 }, "unpacks to more than 1 MiB"},
		"ratio":               {zeros, func(l *limits) { l.ratioFloor = 1 << 19 }, "unpacks to more than 200 times its size"},
		"members":             {sample(file(in("a"), ""), file(in("b"), "")), func(l *limits) { l.members = 3 }, "has more than 3 members"},
		"implied directories": {sample(deep...), func(l *limits) { l.members = 100 }, "has more than 100 members"},
		"global headers":      {sample(globals...), func(l *limits) { l.members = 100 }, "has more than 100 members"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := write(t, gzipped(t, tarOf(test.members...)))
			a, err := Open(path)
			require.NoError(t, err, "it must be the limit that refuses it")
			require.NoError(t, a.Close())
			lim := defaultLimits()
			test.change(&lim)
			_, err = openLimited(path, lim)
			requireInvalid(t, err, test.want)
		})
	}
}

func TestOpenStopsReadingDecompressionBomb(t *testing.T) {
	t.Parallel()
	// Zeros behind the end of the archive: no member has them.
	path := write(t, gzipped(t, append(tarOf(sample()...), make([]byte, 4<<20)...)))
	lim := defaultLimits()
	lim.ratioFloor = 1 << 20
	_, err := openLimited(path, lim)
	requireInvalid(t, err, "unpacks to more than 200 times its size")
}
