package deploy

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/fleet"
	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/remote"
)

// pretend is a host that greets well and then gives these answers, for what no real host can be
// made to say. It returns what the host was asked, and the notices.
func pretend(t *testing.T, plan Plan, answer func(op string) string) (h *host, asked *[]map[string]any, notices *[]string) {
	t.Helper()
	in, near := io.Pipe()
	far, out := io.Pipe()
	served := make(chan struct{})
	asked, notices = &[]map[string]any{}, &[]string{}
	go func() {
		defer close(served)
		defer out.Close() //nolint:errcheck // the end of the host
		nonce := ""
		go func() { _, _ = io.WriteString(out, "KIS1 READY 3.11\n") }()
		for lines := bufio.NewReader(in); ; {
			line, err := lines.ReadString('\n')
			if err != nil {
				return
			}
			var command map[string]any
			switch {
			case !strings.HasPrefix(line, "{") || json.Unmarshal([]byte(line), &command) != nil:
			case nonce == "":
				nonce, _ = command["nonce"].(string)
				_, _ = fmt.Fprintf(out, "KIS1 %s {\"ev\":\"hello\",\"protocol\":1,\"host\":{\"hostname\":\"web1\"}}\n", nonce)
			default:
				*asked = append(*asked, command)
				_, _ = fmt.Fprintf(out, "KIS1 %s {\"id\":%v,\"ev\":\"done\"%s}\n", nonce, command["id"], answer(fmt.Sprint(command["op"])))
				if command["op"] == "bye" {
					return
				}
			}
		}
	}()
	agent, err := remote.Start(t.Context(), remote.Streams{In: near, Out: far, Err: strings.NewReader("")})
	require.NoError(t, err)
	t.Cleanup(func() { _ = agent.Close(); _ = near.Close(); <-served })
	r := newRun(&Deployer{Fleet: &fleet.Fleet{}, Emit: func(e event.Event) { *notices = append(*notices, e.Message) }}, plan)
	h = newHost(r, inventory.Host{Name: "web1"})
	h.session = &fleet.Session{Agent: agent}
	return h, asked, notices
}

func TestAWrongClockIsReported(t *testing.T) {
	t.Parallel()
	for off, want := range map[time.Duration]string{
		0:                         "",
		-50 * time.Second:         "",
		90 * time.Second:          "host clock is 2 minutes ahead of this machine's: log times and TLS checks will be wrong",
		-3 * time.Hour:            "host clock is 3 hours behind this machine's: log times and TLS checks will be wrong",
		40 * 24 * time.Hour:       "host clock is 40 days ahead of this machine's: log times and TLS checks will be wrong",
		10 * 365 * 24 * time.Hour: "host clock is 10 years ahead of this machine's: log times and TLS checks will be wrong",
	} {
		h, _, notices := pretend(t, Plan{Op: event.Push}, func(string) string {
			return fmt.Sprintf(`,"wall":%d`, time.Now().Add(off).Unix())
		})
		require.NoError(t, h.inspect(t.Context()))
		h.run.waited = true // for a lock: the host is checked again then, and reported once
		require.NoError(t, h.inspect(t.Context()))
		if want == "" {
			assert.Empty(t, *notices, "%v", off)
			continue
		}
		assert.Equal(t, []string{want}, *notices, "%v", off)
	}
}

// TestAFileWithoutEnd that a host sends does not fill the memory of this machine.
func TestAFileWithoutEnd(t *testing.T) {
	t.Parallel()
	piece := base64.StdEncoding.EncodeToString(make([]byte, 200<<10))
	h, asked, _ := pretend(t, Plan{Op: event.Push}, func(op string) string {
		if op == "read" {
			return fmt.Sprintf(`,"data":%q`, piece)
		}
		return ""
	})
	_, err := readRecipe(t.Context(), h.session, &remote.Receipt{Recipe: "sha256:" + strings.Repeat("a", 64)})
	require.ErrorContains(t, err, "more than 1048576 bytes")
	assert.Len(t, *asked, 6)
}
