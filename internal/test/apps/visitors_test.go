package apps

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// visitors ask a site at a steady rate, whether or not it has answered the requests before: 200 a second, as many visitors do
// together, over connections that are kept as browsers keep them.
type visitors struct {
	t      *testing.T
	client *http.Client
	url    string
	posts  bool // every tenth request is a POST, which nginx does not repeat
	begin  time.Time
	stop   chan struct{}
	all    sync.WaitGroup

	mutex    sync.Mutex
	failures []string
	versions map[string]int // version → answers
	slowest  time.Duration
}

const (
	pause      = 5 * time.Millisecond // 200 a second
	postsEvery = 10
)

func (s *site) visit(host, url string, posts bool) *visitors {
	s.t.Helper()
	v := &visitors{t: s.t, client: s.visitor(host), url: url, posts: posts, begin: time.Now(), stop: make(chan struct{}), versions: map[string]int{}}
	v.all.Go(v.keepAsking)
	s.t.Cleanup(v.end)
	return v
}

func (v *visitors) keepAsking() {
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for n := 0; ; {
		select {
		case <-v.stop:
			return
		case <-ticker.C:
		}
		// A ticker drops ticks on a busy machine, and the rate is a promise.
		for ; time.Duration(n)*pause < time.Since(v.begin); n++ {
			v.all.Go(func() { v.ask(n) })
		}
	}
}

// versionPattern is every version that the shop's pages name: the one of the process, and the one of a file that is read for each request.
var versionPattern = regexp.MustCompile(`\d+\.\d+`)

func (v *visitors) ask(n int) {
	begin := time.Now()
	method := http.MethodGet
	if v.posts && n%postsEvery == 0 {
		method = http.MethodPost
	}
	body, err := v.fetch(method)
	took := time.Since(begin)
	v.mutex.Lock()
	defer v.mutex.Unlock()
	v.slowest = max(v.slowest, took)
	if err != nil {
		v.failures = append(v.failures, fmt.Sprintf("%s %s after %v: %v", begin.Format("15:04:05.000"), method, took, err))
		return
	}
	named := versionPattern.FindAllString(body, -1)
	if len(named) < 2 || len(slices.Compact(slices.Clone(named))) != 1 {
		v.failures = append(v.failures, fmt.Sprintf("%s is not the answer of one version: %q", begin.Format("15:04:05.000"), body))
		return
	}
	v.versions[named[0]]++
}

func (v *visitors) fetch(method string) (string, error) {
	request, err := http.NewRequestWithContext(v.t.Context(), method, v.url, nil)
	if err != nil {
		return "", err
	}
	answer, err := v.client.Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close() //nolint:errcheck // only read
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %.200s", answer.Status, body)
	}
	return string(body), err
}

func (v *visitors) end() {
	select {
	case <-v.stop:
	default:
		close(v.stop)
	}
	v.all.Wait()
}

// sawNothing ends the visits: none may have failed, and the versions that answered are those, in any order. The rate must have been kept.
func (v *visitors) sawNothing(versions ...string) {
	v.t.Helper()
	want := int(time.Since(v.begin) / pause)
	v.end()
	answers := 0
	for version, n := range v.versions {
		assert.Contains(v.t, versions, version, "it answered %d requests", n)
		answers += n
	}
	for _, version := range versions {
		assert.Positive(v.t, v.versions[version], "%s has answered nobody", version)
	}
	assert.GreaterOrEqual(v.t, answers+len(v.failures), want, "200 requests a second")
	v.t.Logf("%d answers, %v by version, the slowest after %v", answers, v.versions, v.slowest)
	require.Empty(v.t, strings.Join(v.failures[:min(len(v.failures), 10)], "\n"), "%d requests have failed", len(v.failures))
}
