package inventory

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWebhook(t *testing.T) {
	t.Parallel()
	inv := accepted(t, "webhook: {url: '${HOOK}', format: slack}\nstages:\n  s: {hosts: [a]}\n  t: {hosts: [a], webhook: {url: 'https://h/${TOKEN}'}}\n")
	assert.Equal(t, Webhook{URL: "${HOOK}", Format: WebhookSlack}, stageOf(t, inv, "s").Webhook)
	assert.Equal(t, Webhook{URL: "https://h/${TOKEN}", Format: WebhookJSON}, stageOf(t, inv, "t").Webhook, "a stage's own takes the place of the file's")
	values := map[string]string{"HOOK": "https://h/secret", "TOKEN": "secret"}
	for _, stage := range []string{"s", "t"} {
		address, err := stageOf(t, inv, stage).Webhook.Address(func(name string) string { return values[name] })
		require.NoError(t, err)
		assert.Equal(t, "https://h/secret", address)
	}
	values = map[string]string{"A": "${B}", "B": "b"}
	address, err := Webhook{URL: "https://h/${A}/${B}"}.Address(func(name string) string { return values[name] })
	require.NoError(t, err)
	assert.Equal(t, "https://h/${B}/b", address, "a value is no text with variables")
	hook := stageOf(t, inv, "s").Webhook
	_, err = hook.Address(func(string) string { return "" })
	require.EqualError(t, err, "the environment variable HOOK is not set")
	_, err = hook.Address(func(string) string { return "secret" })
	require.EqualError(t, err, "with the values of its variables it is no http:// or https:// URL")
}

func TestRefusedWebhooks(t *testing.T) {
	t.Parallel()
	runRefusals(t, []refusal{
		{"without an address", "webhook: {format: slack}\n" + ok, []string{"1:10 webhook: the key url is missing; it is the address that is told"}},
		{"as text", "webhook: https://h/x\n" + ok, []string{`1:10 webhook: want a mapping such as {url: "${SLACK_URL}", format: slack}, got text`}},
		{"of another form", "webhook: {url: https://h/x, format: irc}\n" + ok, []string{`1:37 webhook.format: unknown value "irc"; known: json, slack, mattermost`}},
		{"no address", "webhook: {url: secret}\n" + ok, []string{"1:16 webhook.url: not an http:// or https:// URL with a host"}},
	})
}

func stageOf(t *testing.T, inv *Inventory, name string) Stage {
	t.Helper()
	stage, err := inv.Stage(name)
	require.NoError(t, err)
	return stage
}
