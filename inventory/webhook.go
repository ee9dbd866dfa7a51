package inventory

import (
	"errors"
	"fmt"
)

// Webhook is an address that is told when a run begins and when it has ended.
type Webhook struct {
	URL    string // as written, with ${NAME} for variables of this machine; "" = nobody is told. Print it nowhere: it is a secret
	Format WebhookFormat
}

// WebhookFormat is the form of what is sent.
type WebhookFormat string

// The values of `webhook.format`.
const (
	WebhookJSON       WebhookFormat = "json" // the fields of the run
	WebhookSlack      WebhookFormat = "slack"
	WebhookMattermost WebhookFormat = "mattermost"
)

// Address returns the address with the values of its variables. No error contains a value.
func (w Webhook) Address(getenv func(string) string) (string, error) {
	expanded, missing := expandVariables(w.URL, getenv)
	switch {
	case missing != "":
		return "", fmt.Errorf("the environment variable %s is not set", missing)
	case !isIndexURL(expanded):
		return "", errors.New("with the values of its variables it is no http:// or https:// URL")
	}
	return expanded, nil
}

// readWebhook reads a webhook; otherwise is that of the file, for a stage without one.
func readWebhook(f field, otherwise Webhook) Webhook {
	if !f.set() {
		return otherwise
	}
	s := f.section("webhook", "a mapping such as {url: \"${SLACK_URL}\", format: slack}")
	f.require("url", "it is the address that is told")
	return Webhook{URL: s.get("url").text(checkWebhookURL), Format: choice(s.get("format"), WebhookJSON, WebhookSlack, WebhookMattermost)}
}

// checkWebhookURL never repeats the value, as checkIndexURL.
func checkWebhookURL(raw string) error {
	if environmentVariable.FindString(raw) == raw {
		return nil // the whole address is a variable
	}
	return checkIndexURL(raw)
}
