package requirements_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/requirements"
)

// refused returns what is wrong with a file of a project, with paths relative to it.
func refused(t *testing.T, files map[string]string, environment map[string]string) []string {
	t.Helper()
	dir := project(t, files)
	f, err := requirements.Read(t.Context(), filepath.Join(dir, "r.txt"), options(dir, environment))
	require.Error(t, err)
	require.Nil(t, f)
	return strings.Split(strings.ReplaceAll(err.Error(), dir+"/", ""), "\n")
}

// TestRefusedLines: what hosts could not do, and what pip does not read, is refused by file and line.
func TestRefusedLines(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"\nflask\n-r missing.txt\n":                 `r.txt:3: cannot be read: open missing.txt: no such file or directory`,
		"-r https://example.com/r.txt\n":            `r.txt:1: "-r https://example.com/r.txt" includes a file of a web server, whose content can change between two hosts; download it and include that file`,
		"-c https://ann:pw@example.com/r.txt?t=x\n": `r.txt:1: "-c https://*****@example.com/r.txt?*****" includes a file of a web server, whose content can change between two hosts; download it and include that file`,
		"-r r.txt\n":                                 `r.txt:1: includes r.txt, which includes this file`,
		"-r a.txt --pre\n":                           `r.txt:1: "-r a.txt --pre" has another option beside --requirement, which pip ignores; give each a line of its own`,
		"flask -r a.txt\n":                           `r.txt:1: "flask -r a.txt" has --requirement behind a requirement, where pip ignores it; give it a line of its own`,
		"flask --pre\n":                              `r.txt:1: "flask --pre" has --pre behind a requirement, where pip ignores it; give it a line of its own`,
		"--pre flask\n":                              `r.txt:1: "--pre flask" has "flask" behind an option, which pip ignores`,
		"--index https://h/x\n":                      `r.txt:1: "--index https://h/x" has the option --index, which pip does not have in requirements files`,
		"-q\n":                                       `r.txt:1: "-q" has the option -q, which pip does not have in requirements files`,
		"--pre=1\n":                                  `r.txt:1: "--pre=1" gives a value to --pre, which has none`,
		"-i\n":                                       `r.txt:1: "-i" has --index-url without a value`,
		"--index-url 'https://h/x\n":                 `r.txt:1: "--index-url 'https://h/x" has a quotation mark without its second`,
		"--hash=sha256:aa\n":                         `r.txt:1: "--hash=sha256:aa" has --hash without a requirement before it; pip ignores that`,
		"flask==1 --hash=md5:aa\n":                   `r.txt:1: "flask==1" has a --hash that is none of sha256:…, sha384:…, sha512:…`,
		"--trusted-host :0\n":                        `r.txt:1: "--trusted-host :0" has a --trusted-host that is no HOST or HOST:PORT`,
		"-f vendor\n":                                `r.txt:1: "-f vendor" names a directory of this machine, which hosts do not have; name it in install.wheels of the inventory`,
		"--find-links file:///srv/x\n":               `r.txt:1: "--find-links file:///srv/x" names a directory of this machine, which hosts do not have; name it in install.wheels of the inventory`,
		"-i /srv/simple\n":                           `r.txt:1: "-i /srv/simple" names an index that is no http:// or https:// address: hosts could not reach it`,
		"-e lib\n":                                   `r.txt:1: "-e lib" is a directory of this machine, which hosts do not have; build a wheel of it (pip wheel --no-deps -w vendor DIRECTORY) and name that file here`,
		"./lib\n":                                    `r.txt:1: "./lib" is a directory of this machine, which hosts do not have; build a wheel of it (pip wheel --no-deps -w vendor DIRECTORY) and name that file here`,
		"lib/ ; python_version > '3'\n":              `r.txt:1: "lib/ ; python_version > '3'" is a directory of this machine, which hosts do not have; build a wheel of it (pip wheel --no-deps -w vendor DIRECTORY) and name that file here`,
		"lib @ file://%s/lib\n":                      `r.txt:1: "lib @ file://%s/lib" is a directory of this machine, which hosts do not have; build a wheel of it (pip wheel --no-deps -w vendor DIRECTORY) and name that file here`,
		"./vendor/no-1-py3-none-any.whl\n":           `r.txt:1: "./vendor/no-1-py3-none-any.whl" names no file of this machine: relative paths begin at %s`,
		"no-1-py3-none-any.whl\n":                    `r.txt:1: "no-1-py3-none-any.whl" names no file of this machine: relative paths begin at %s`,
		"x @ ./vendor/x-1.tar.gz\n":                  `r.txt:1: "x @ ./vendor/x-1.tar.gz" has a path behind the @, where pip wants an address; write the path alone, or file:///…`,
		"x @ file://host/x-1.tar.gz\n":               `r.txt:1: "x @ file://host/x-1.tar.gz" is not the address of a file of this machine`,
		"y @ file://%s/x-1-py3-none-any.whl\n":       `r.txt:1: "y @ file://%s/x-1-py3-none-any.whl" names a wheel of another project, x`,
		"./x-1-py3-none-any.whl --hash=sha256:aa\n":  `r.txt:1: "./x-1-py3-none-any.whl" has hashes of other files; x-1-py3-none-any.whl has --hash=sha256:6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b`,
		"x@file://%s/x-1-py3-none-any.whl#sha256=aa": `r.txt:1: "x@file://%s/x-1-py3-none-any.whl#sha256=aa" has the hash of another file; x-1-py3-none-any.whl has sha256=6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b`,
		"./lib/x-1-py3-none-any.whl\n./x-1-py3-none-any.whl": `r.txt:2: "./x-1-py3-none-any.whl" is a second file with the name x-1-py3-none-any.whl and another content`,
		"./vendor.zip\n":                               `r.txt:1: "./vendor.zip" names a file that is not called NAME-VERSION as wheels and source distributions are`,
		"./pyproject.toml\n":                           `r.txt:1: "./pyproject.toml" names a file that is neither a wheel nor a source distribution`,
		"git+file:///srv/x#egg=x\n":                    `r.txt:1: "git+file:///srv/x#egg=x" names a repository of this machine, which hosts do not have`,
		"-e git+file:///srv/x#egg=x\n":                 `r.txt:1: "-e git+file:///srv/x#egg=x" is not the address of a repository that hosts can reach, such as git+https://…`,
		". ; python_version > '3'\n":                   `r.txt:1: ". ; python_version > '3'" names the application under a condition; kis installs it on every host, so remove the marker`,
		". --config-settings a=b\n":                    `r.txt:1: ". --config-settings a=b" gives options to the application, which kis installs; remove them`,
		"flask=1\n":                                    `r.txt:1: "flask=1" has "=1" where a version such as ==1.0 is expected`,
		"flask==1.0-foo\n":                             `r.txt:1: "flask==1.0-foo" has "==1.0-foo" where a version such as ==1.0 is expected`,
		"flask>=1,\n":                                  `r.txt:1: "flask>=1," has "" where a version such as ==1.0 is expected`,
		"flask[a b]\n":                                 `r.txt:1: "flask[a b]" has "a b" among its extras, which is no name`,
		"flask (>=1\n":                                 `r.txt:1: "flask (>=1" has a parenthesis without its second`,
		"flask==1\t--hash=sha256:aa\n":                 `r.txt:1: "flask==1" has "==1\t--hash=sha256:aa" where a version such as ==1.0 is expected`,
		"flask ; python_versio > '3'\n":                `r.txt:1: "flask ; python_versio > '3'" has a marker with python_versio, which is neither a variable of markers nor a text`,
		"flask ; python_version > '3' and\n":           `r.txt:1: "flask ; python_version > '3' and" has a marker that ends too early`,
		"flask ; python_version > '3' sys_platform":    `r.txt:1: "flask ; python_version > '3' sys_platform" has a marker that pip cannot read, at "sys_platform"`,
		"flask ; 'a' in extras\n":                      `r.txt:1: "flask ; 'a' in extras" has a marker with extras or dependency_groups, which only lock files have`,
		"flask ; python_version not '3'":               `r.txt:1: "flask ; python_version not '3'" has a marker with not, which needs in behind it`,
		"?\n":                                          `r.txt:1: "?" does not begin with the name of a project`,
		"\ufeff\ufeffflask\n":                          "r.txt:1: \"\\ufeffflask\" does not begin with the name of a project",
		"flask @\n":                                    `r.txt:1: "flask @" has no address behind the @, or something behind it that is no marker`,
		"x @ lp:foo\n":                                 `r.txt:1: "x @ lp:foo" has an address without a host`,
		"x @ lp://foo\n":                               `r.txt:1: "x @ lp://foo" has an address with lp:, which pip does not read`,
		"a\n\xff\n":                                    `r.txt:2: is not UTF-8; save the file as UTF-8`,
		"\xff\xfea":                                    `r.txt: begins as UTF-16, and is not; save the file as UTF-8`,
		"\xfe\xff\xd8\x00\x00a":                        `r.txt: begins as UTF-16, and is not; save the file as UTF-8`,
		"\x00\x00\xfe\xff\x00\x00\xd8\x00":             `r.txt: begins as UTF-32, and is not; save the file as UTF-8`,
		"#\n# coding: cp1252\n":                        `r.txt:2: is in the encoding "cp1252", which kis does not read; save the file as UTF-8`,
		"-i https://${TOKEN}@h/x\n":                    `r.txt:1: "-i https://*****@h/x" needs the environment variable TOKEN, which is not set here`,
		"flask==${EMPTY}\n":                            `r.txt:1: "flask==${EMPTY}" needs the environment variable EMPTY, which is not set here`,
		"flask ${COMMENT}\n":                           `r.txt:1: "flask ${COMMENT}" cannot be used: a value of its variables, or the end of the line, has characters with a meaning in requirements files`,
		"flask ${LINES}\n":                             `r.txt:1: "flask ${LINES}" cannot be used: a value of its variables, or the end of the line, has characters with a meaning in requirements files`,
		"flask==${NESTED}\n":                           `r.txt:1: "flask==${NESTED}" cannot be used: a value of its variables, or the end of the line, has characters with a meaning in requirements files`,
		"flask==${SECRET}\n":                           `r.txt:1: "flask==${SECRET}" is not a line that pip can read, with the values of its variables`,
		"-${SECRET}\n":                                 `r.txt:1: "-${SECRET}" is not a line that pip can read, with the values of its variables`,
		"flask \\ # c\n":                               `r.txt:1: "flask \\" cannot be used: a value of its variables, or the end of the line, has characters with a meaning in requirements files`,
		"a==1 --hash=sha256:aa\n\nb==1\n":              `r.txt:3: "b==1" has no --hash, but other requirements have them, and pip then demands them of all (pip-compile --generate-hashes)`,
		"--require-hashes\nb==1\n":                     `r.txt:2: "b==1" has no --hash, but other requirements have them, and pip then demands them of all (pip-compile --generate-hashes)`,
		"a>=1 --hash=sha256:aa\n":                      `r.txt:1: "a>=1" is not pinned with ==, which pip demands where requirements have hashes`,
		"a==1.* --hash=sha256:aa\n":                    `r.txt:1: "a==1.*" is not pinned with ==, which pip demands where requirements have hashes`,
		"a==1 --hash=sha256:aa\nb @ git+https://h/b\n": `r.txt:2: "b @ git+https://h/b" comes from a repository, for which pip has no hashes, but other requirements have them; remove all hashes (uv export --no-hashes), or build a wheel of it and name that file here`,
		"-c c.txt\n":                                   `c.txt:1: "six[x]" is no constraint: pip wants a name without extras`,
		"-c d.txt\n":                                   `d.txt:1: "-e git+https://h/x#egg=x" is editable; a constraint is a name and a version`,
		"-r a.txt\n\nlib/\n":                           `r.txt:3: "lib/" is a directory of this machine, which hosts do not have; build a wheel of it (pip wheel --no-deps -w vendor DIRECTORY) and name that file here`,
	} {
		t.Run(strings.NewReplacer("%s", "", "#", "", "-py3-none-any.whl", "").Replace(text), func(t *testing.T) {
			t.Parallel()
			dir := project(t, map[string]string{
				"a.txt": "", "c.txt": "six[x]\n", "d.txt": "-e git+https://h/x#egg=x\n", "lib/setup.py": "", "lib/x-1-py3-none-any.whl": "2",
				"x-1-py3-none-any.whl": "1", "vendor.zip": "", "r.txt": "",
			})
			if strings.Contains(text, "%s") {
				text = fmt.Sprintf(text, dir)
			}
			write(t, filepath.Join(dir, "r.txt"), text)
			_, err := requirements.Read(t.Context(), filepath.Join(dir, "r.txt"), options(dir, map[string]string{
				"COMMENT": "x # y", "LINES": "a\nb", "NESTED": "${SECRET}", "SECRET": "hunter2!",
			}))
			require.ErrorAs(t, err, new(requirements.Errors))
			if strings.Contains(want, "%s") {
				want = fmt.Sprintf(want, dir)
			}
			require.Equal(t, want, strings.NewReplacer("open "+dir+"/", "open ", " "+dir+"/r.txt,", " r.txt,").Replace(strings.TrimPrefix(err.Error(), dir+"/")))
		})
	}
}

// TestAllErrorsAreReported, with the place in the file that was included.
func TestAllErrorsAreReported(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{
		`sub/a.txt:2: "-f x" names a directory of this machine, which hosts do not have; name it in install.wheels of the inventory`,
		`sub/b.txt:1: includes sub/a.txt, which includes this file`,
		`r.txt:3: "a=1" has "=1" where a version such as ==1.0 is expected`,
	}, refused(t, map[string]string{"r.txt": "flask\n-r sub/a.txt\na=1\n", "sub/a.txt": "six\n-f x\n-r b.txt", "sub/b.txt": "-r a.txt\n"}, nil))
}

func TestDepthAndSizeAreLimited(t *testing.T) {
	t.Parallel()
	files := map[string]string{"r.txt": "-r 1.txt\n"}
	for i := range 30 {
		files[fmt.Sprintf("%d.txt", i)] = fmt.Sprintf("-r %d.txt\n", i+1)
	}
	require.Equal(t, []string{"19.txt:1: includes 20.txt: more than 20 files that include each other"}, refused(t, files, nil))
	files = map[string]string{"r.txt": "-r 1.txt\n-r 1.txt\n", "16.txt": strings.Repeat("#", 1<<16)}
	for i := range 16 {
		files[fmt.Sprintf("%d.txt", i)] = fmt.Sprintf("-r %d.txt\n-r %d.txt\n", i+1, i+1)
	}
	require.Contains(t, refused(t, files, nil)[0], "are larger than 16777216 bytes; these are no requirements")
}
