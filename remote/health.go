package remote

import (
	"context"
	"encoding/json"
	"time"

	"github.com/keep-it-simple/kis/internal/name"
)

// HealthCheck is one question over HTTP that the host asks itself until the answer is as expected.
type HealthCheck struct {
	URL         string        `json:"url"`         // http or https; its host is an address that the host itself reaches
	Unix        string        `json:"unix"`        // path of a Unix socket to connect to, instead of the URL's address
	Host        string        `json:"host"`        // Host header, and name in an https certificate; "": the URL's
	Status      int           `json:"status"`      // expected; 0: 200
	Header      string        `json:"header"`      // name of a header that is compared, with Value
	Value       string        `json:"value"`       // expected, whole
	Body        string        `json:"body"`        // expected in the body, anywhere
	Consecutive int           `json:"consecutive"` // successes in a row that are needed; 0: 1
	Within      time.Duration `json:"-"`           // from the first attempt
}

// Healthy says how long a host took to become healthy.
type Healthy struct {
	Attempts int     `json:"attempts"`
	Seconds  float64 `json:"seconds"`
}

func (h *Healthy) check(raw json.RawMessage) error { return requireMembers(raw, "attempts", "seconds") }

// Health waits for a check to succeed. It needs the stage's lock. *Refused with code "unhealthy" names what the last answer was.
func (a *Agent) Health(ctx context.Context, s name.Stage, run name.Run, c HealthCheck) (Healthy, error) {
	var result Healthy
	args := healthRequest{runRequest{s, run}, healthCheck{c, seconds(c.Within)}}
	err := a.call(ctx, opHealth, args, &result, nil)
	return result, err
}
