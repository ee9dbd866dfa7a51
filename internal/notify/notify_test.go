package notify_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/notify"
	"github.com/keep-it-simple/kis/inventory"
)

func TestFormats(t *testing.T) {
	t.Parallel()
	ok, failed := 0, 4
	for _, c := range []struct {
		format inventory.WebhookFormat
		exit   *int
		want   string
	}{
		{inventory.WebhookSlack, nil, `{"text":":arrow_forward: a \u0026lt;b\u0026gt; \u0026amp; _c_ @all"}`},
		{inventory.WebhookMattermost, &ok, `{"text":":white_check_mark: a \u003cb\u003e \u0026 \\_c\\_ @` + "\u200b" + `all"}`},
		{inventory.WebhookJSON, &failed, `"outcome":"rolled back","exit":4,"text":"a \u003cb\u003e \u0026 _c_ @all"}`},
	} {
		var got string
		server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			assert.NoError(t, err)
			assert.Equal(t, http.MethodPost, r.Method)
			assert.Equal(t, "application/json", r.Header.Get("Content-Type"))
			got = string(body)
		}))
		m := notify.Message{Event: "end", Text: "a <b> & _c_ @all", Exit: c.exit}
		if c.exit == &failed {
			m.Outcome = "rolled back"
		}
		require.NoError(t, notify.Send(t.Context(), server.URL, c.format, m))
		server.Close()
		assert.True(t, strings.HasSuffix(got, c.want), "%s: %s", c.format, got)
		assert.True(t, json.Valid([]byte(got)))
	}
}

// The address is a secret: errors have its host at most.
func TestErrorsDoNotRepeatTheAddress(t *testing.T) {
	t.Parallel()
	moved := httptest.NewServer(http.RedirectHandler("http://127.0.0.1:9/s3cret", http.StatusFound))
	defer moved.Close()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		ctx     context.Context
		address string
		says    string
	}{
		{t.Context(), moved.URL + "/s3cret", "302 Found"},
		{t.Context(), "http://127.0.0.1:9/s3cret", "connection refused"},
		{t.Context(), "http://nosuch.invalid/s3cret", "no such host"},
		{gone, moved.URL + "/s3cret", "context canceled"},
		{t.Context(), "http://[s3cret", "its address cannot be used"},
	} {
		err := notify.Send(c.ctx, c.address, inventory.WebhookJSON, notify.Message{})
		require.ErrorContains(t, err, c.says, c.address)
		assert.NotContains(t, err.Error(), "s3cret")
	}
}
