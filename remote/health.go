package remote

import (
	"context"
	"encoding/json"
	"time"

	"github.com/keep-it-simple/kis/internal/name"
)

// HealthCheck is one question over HTTP that the host asks itself until the answer is as expected.
type HealthCheck struct {
	URL         string        // http or https; its host is an address that the host itself reaches
	Unix        string        // path of a Unix socket that is connected to instead of the URL's address
	Host        string        // Host header, and the name in the certificate of an https address; "": the URL's
	Status      int           // expected; 0: 200
	Header      string        // name of a header that is compared, with Value
	Value       string        // expected, whole
	Body        string        // expected in the body, anywhere
	Consecutive int           // successes in a row that are needed; 0: 1
	Within      time.Duration // from the first attempt
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
	check := healthCheck{c.URL, c.Unix, c.Host, c.Status, c.Header, c.Value, c.Body, c.Consecutive, seconds(c.Within)}
	err := a.call(ctx, opHealth, healthRequest{runRequest{s, run}, check}, &result, nil)
	return result, err
}
