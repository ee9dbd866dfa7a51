package inventory

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// everything sets every key that ends in a field of Inventory, Host or Stage.
const everything = `
root: /srv/app
python: python3.11
become: app
ssh: {user: u, port: 2222, identity_file: key, jump: gate, host_key: "SHA256:FINGERPRINT"}
build: uv
install: {mode: regular, installer: uv, extras: [x], requirements: r.txt, wheels: w, index_url: "https://i/", extra_index_urls: ["https://j/"]}
keep: 3
shared: {dirs: [media], files: [settings]}
prepare: [x]
verify: [x]
groups: {web: {hosts: [w1], vars: {a: b}}}
hosts: {w1: {address: 192.0.2.1}}
stages:
  staging: {hosts: [w1]}
  production:
    hosts: [w1]
    confirm: true
    from: staging
    dev: false
    verify: [x]
    before_link: [x]
    services: [a.service]
    after_link: [x]
    health: {url: "http://127.0.0.1/"}
    rollout: {batch: 2}
    on_partial: forward
    webhook: {url: "https://h/"}
`

// TestEveryFieldIsRead: a key whose reader was forgotten leaves its field zero.
func TestEveryFieldIsRead(t *testing.T) {
	t.Parallel()
	inv := accepted(t, strings.Replace(everything, "FINGERPRINT", strings.Repeat("A", 43), 1))
	requireSet(t, *inv)
	expanded, err := inv.Expand(func(string) string { return "" })
	require.NoError(t, err)
	requireSet(t, expanded)
	requireSet(t, inv.Shared())
	host := hostNamed(t, inv, "w1")
	requireSet(t, host)
	requireSet(t, host.SSH)
	stage, err := inv.Stage("production")
	require.NoError(t, err)
	requireSet(t, stage)
}

// TestEverySettingIsMerged: one that apply forgets is lost where a group or a host sets it.
func TestEverySettingIsMerged(t *testing.T) {
	t.Parallel()
	host := hostNamed(t, accepted(t, strings.Replace(everything, "FINGERPRINT", strings.Repeat("A", 43), 1)), "w1")
	more := settings{address: host.Address, root: host.Root, python: host.Python, become: host.Become, ssh: host.SSH, vars: map[string]variable{"a": {value: "b"}}}
	requireSet(t, more)
	var merged settings
	merged.apply(more)
	requireSet(t, merged)
	requireSet(t, merged.ssh)
}

// TestClonesShareNothing that a caller could change.
func TestClonesShareNothing(t *testing.T) {
	t.Parallel()
	inv := accepted(t, strings.Replace(everything, "FINGERPRINT", strings.Repeat("A", 43), 1))
	host := hostNamed(t, inv, "w1")
	requireApart(t, host, host.clone())
	stage, err := inv.Stage("production")
	require.NoError(t, err)
	requireApart(t, stage, stage.clone())
	expanded, err := inv.Expand(func(string) string { return "" })
	require.NoError(t, err)
	again, err := inv.Expand(func(string) string { return "" })
	require.NoError(t, err)
	requireApart(t, expanded, again)
	requireApart(t, inv.Shared(), inv.Shared())
}

// holders are files whose place of a section has KEY.
func holders() map[string]string {
	const stage = "hosts: {w1: {}}\nstages: {s: {hosts: [w1], "
	return map[string]string{
		"inventory": "KEY\n",
		"host":      "hosts: {w1: {KEY}}\n",
		"group":     "hosts: {w1: {}}\ngroups: {g: {KEY}}\n",
		"stage":     "hosts: {w1: {}}\nstages: {s: {KEY}}\n",
		"install":   "install: {KEY}\n",
		"shared":    "shared: {KEY}\n",
		"ssh":       "ssh: {KEY}\n",
		"ansible":   "ansible: {KEY}\n",
		"command":   "prepare: [{KEY}]\n",
		"service":   stage + "services: [{KEY}]}}\n",
		"health":    stage + "health: {KEY}}}\n",
		"rollout":   stage + "rollout: {KEY}}}\n",
		"webhook":   "webhook: {KEY}\n",
	}
}

// TestEveryKeyIsRead: no key takes a list of lists, and one that nothing reads would take anything.
func TestEveryKeyIsRead(t *testing.T) {
	t.Parallel()
	for _, k := range schema() {
		for section := range strings.FieldsSeq(k.sections) {
			require.Contains(t, holders(), section)
			file := filepath.Join(t.TempDir(), "inventory.yaml")
			require.NoError(t, os.WriteFile(file, []byte(strings.Replace(holders()[section], "KEY", k.name+": [[[]]]", 1)), 0o600))
			_, err := Load(file, Options{})
			var all Errors
			require.ErrorAs(t, err, &all)
			isIts := func(e *Error) bool {
				return strings.HasSuffix("."+e.Path, "."+k.name) || strings.Contains(e.Path, k.name+"[")
			}
			assert.True(t, slices.ContainsFunc(all, isIts), "%s of %s: %v", k.name, section, all)
		}
	}
}

// requireSet fails for each field of a struct that is zero.
func requireSet(t *testing.T, of any) {
	t.Helper()
	value := reflect.ValueOf(of)
	for i := range value.NumField() {
		assert.False(t, value.Field(i).IsZero(), "%T.%s", of, value.Type().Field(i).Name)
	}
}

// requireApart fails for each list or mapping that two structs share.
func requireApart(t *testing.T, one, other any) {
	t.Helper()
	a, b := reflect.ValueOf(one), reflect.ValueOf(other)
	for i := range a.NumField() {
		if kind := a.Field(i).Kind(); kind == reflect.Slice || kind == reflect.Map {
			require.NotZero(t, a.Field(i).Len(), "%T.%s", one, a.Type().Field(i).Name)
			assert.NotEqual(t, a.Field(i).Pointer(), b.Field(i).Pointer(), "%T.%s", one, a.Type().Field(i).Name)
		}
	}
}
