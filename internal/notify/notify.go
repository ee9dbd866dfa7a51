// Package notify tells a webhook that a run begins, and how it ended. It never changes a run: a webhook
// that fails is a warning.
package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/keep-it-simple/kis/inventory"
)

// Timeout is how long one message may take, with everything.
const Timeout = 10 * time.Second

// Message is one message. With the format json it is what is sent.
type Message struct {
	Event   string   `json:"event"` // start or end
	Schema  int      `json:"schema"`
	Time    string   `json:"time"` // RFC 3339
	By      string   `json:"by"`   // user@machine
	Op      string   `json:"op"`
	Stage   string   `json:"stage"`
	Package string   `json:"package,omitempty"`
	Git     string   `json:"git,omitempty"` // revision
	Run     string   `json:"run"`
	Hosts   []string `json:"hosts"`
	Outcome string   `json:"outcome,omitempty"` // of an end
	Exit    *int     `json:"exit,omitempty"`
	Seconds float64  `json:"seconds,omitempty"`
	Text    string   `json:"text"` // one sentence for users
}

// Send sends a message to an address. No error contains the address, which is a secret, but for its host.
func Send(ctx context.Context, address string, format inventory.WebhookFormat, m Message) error {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	body, err := json.Marshal(payload(format, m))
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return errors.New("its address cannot be used") // the error would repeat it
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "kis")
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(request)
	if err != nil {
		if failed, ok := errors.AsType[*url.Error](err); ok {
			err = failed.Err
		}
		return fmt.Errorf("%s: %w", request.URL.Host, err)
	}
	defer answer.Body.Close()                                      //nolint:errcheck // only read
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 1<<16)) // so that the server is not cut off
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return fmt.Errorf("%s: %s", request.URL.Host, answer.Status)
	}
	return nil
}

// payload is what is sent: both chats take {"text": …}, with markup of their own.
func payload(format inventory.WebhookFormat, m Message) any {
	switch format {
	case inventory.WebhookSlack:
		return map[string]string{"text": mark(m) + strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(m.Text)}
	case inventory.WebhookMattermost:
		return map[string]string{"text": mark(m) + strings.NewReplacer("_", `\_`, "*", `\*`, "`", "\\`", "~", `\~`, "[", `\[`, "@", "@\u200b").Replace(m.Text)}
	case inventory.WebhookJSON:
	}
	return m
}

// mark is how both chats write an emoji.
func mark(m Message) string {
	switch {
	case m.Exit == nil:
		return ":arrow_forward: "
	case *m.Exit == 0:
		return ":white_check_mark: "
	}
	return ":x: "
}
