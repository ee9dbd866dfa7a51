package requirements_test

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/requirements"
)

// FuzzRead: what kis accepts, pip accepts, and reads the same in the file for the hosts. kis may
// refuse more than pip.
func FuzzRead(f *testing.F) {
	for _, text := range []string{
		"", "flask==3.0 # c\n", "flask \\\n>=1 \\\n# c\n", "\ufeffflask", "\xff\xfea\x00\n\x00", "# coding: latin-1\nx\xe9", "a[b,c] (>=1,<2) ; python_version < '3'", "a~=1.0.post1,!=2.*",
		"-r a.txt\n--constraint=a.txt\n", "--index-url https://u:p@h/x\n--extra-index-url 'https://h/y'\n--pre", "-f https://h/ --no-index", "--no-binary :all:\n--only-binary x,y\n--trusted-host h:1\n",
		"a==1 --hash=sha256:00 --hash sha384:11 --hash='sha512:22'", "--require-hashes\na===1;os_name=='x' --hash=sha256:00", "a @ https://h/x.zip#sha256=00 ; sys_platform == \"x\"", "git+https://h/x@1#egg=x", "https://h/x.tar.gz; python_version>'3'",
		"a ; 'x' in os_name and (os.name != \"y\" or python_implementation not in 'z')", "a==${V}\n${U}==1\n", "a\rb\x0cc\x1cd\u0085e\u2028f", "\\\n\\\n", "a\\", "a # \\\nb", "a;(((os_name=='a')))",
		"--use-feature=fast-deps\n--prefer-binary", "a@https://h/x", "a @ hg+ssh://h/x ;extra=='y'", "\"a\"", "-i\t'https://h'", "a  >= 1 , < 2", "1a_b.c-d", "a==1+local.1-2", "a==1!2.0rc1.dev3", "--", "-",
	} {
		f.Add([]byte(text))
	}
	pip := newOracle(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		if bytes.HasPrefix(data, []byte("\xff\xfe\x00\x00")) {
			return // UTF-32, which pip before 25.1 takes for UTF-16
		}
		dir := project(t, map[string]string{"r.txt": string(data), "a.txt": "six<2\n"})
		environment := map[string]string{"V": "1.0", "U": "urllib3"}
		path := filepath.Join(dir, "r.txt")
		read, err := requirements.Read(t.Context(), path, options(dir, environment))
		if err != nil || strings.Contains(notices(read), "as a regular package") || strings.Contains(notices(read), "only pip") || len(read.Dropped)+len(read.Locals) > 0 {
			return
		}
		require.True(t, utf8.ValidString(read.Text+read.Constraints+read.Identity))
		before, after := pip.readBoth(t, path, dir, environment, read)
		require.Empty(t, before.Error, "%q", read.Text)
		require.Equal(t, before, after)
		require.Equal(t, before.Hashed, read.Hashed || len(before.Requirements) == 0 && before.Hashed)
	})
}

func notices(f *requirements.File) string { return strings.Join(f.Notices, "\n") }

// FuzzPylock: no lock file makes a line that pip reads as an option, an include or another
// requirement.
func FuzzPylock(f *testing.F) {
	for _, text := range []string{
		"lock-version = '1.0'\n[[packages]]\nname = 'x'\nversion = '1'\nmarker = \"os_name == 'a' or 'b' in extras\"\nwheels = [{url = 'https://h/x-1-py3-none-any.whl', hashes = {sha256 = '00'}}]\n",
		"lock-version = '1.0'\nextras=['b']\n[[packages]]\nname = 'x'\narchive = {url = 'https://h/x.zip', subdirectory = 'a', hashes = {sha512 = '00'}}\n",
		"lock-version = '1.0'\n[[packages]]\nname = 'x'\ndirectory = {path = '.'}\n[[packages]]\nname = 'y'\nsdist = {name='y-1.tar.gz', path = 'y-1.tar.gz', hashes = {sha256 = '6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b'}}\n",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		dir := project(t, map[string]string{"pylock.toml": text, "y-1.tar.gz": "1"})
		read, err := requirements.Read(t.Context(), filepath.Join(dir, "pylock.toml"), options(dir, nil))
		if err != nil {
			return
		}
		require.True(t, read.Hashed || read.Text == "")
		host := project(t, map[string]string{"r.txt": strings.ReplaceAll(read.Text, "file://${KIS_LOCALS}", "https://h")})
		again, err := requirements.Read(t.Context(), filepath.Join(host, "r.txt"), requirements.Options{Project: host, Name: "no-such-project", Getenv: func(string) string { return "" }})
		require.NoError(t, err, "%q", read.Text)
		require.Empty(t, again.Constraints+strings.Join(again.Options, ""))
		require.Equal(t, read.Hashed, again.Hashed)
	})
}
