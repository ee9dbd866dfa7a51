package remote

import (
	"context"
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

// Health waits for a check to succeed. It needs the stage's lock. *Refused with code "unhealthy" names what the last answer was.
func (a *Agent) Health(ctx context.Context, s name.Stage, run name.Run, c HealthCheck) error {
	return a.call(ctx, opHealth, healthRequest{runRequest{s, run}, healthCheck{c, seconds(c.Within)}}, nil, nil)
}
