package deploy

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/inventory"
	"github.com/keep-it-simple/kis/remote"
)

// makers is a platform of hosts, and what each of them makes of the request for wheels.
type makers struct {
	*platform
	hosts []*host
	made  []string // in the order of the requests
	mu    sync.Mutex
}

func newMakers(t *testing.T, names ...string) *makers {
	m := &makers{platform: newPlatform(t.Context(), time.Minute)}
	for _, name := range names {
		h := &host{Host: inventory.Host{Name: name}, log: event.NewStream("", nil).Host(name)}
		m.hosts = append(m.hosts, h)
		m.members[h] = true
	}
	return m
}

// all asks for the environment on every host at the same time. make gets the number of the request.
func (m *makers) all(ctx context.Context, make func(ctx context.Context, n int) error) (found []*environment, errs []error) {
	found, errs = append(found, newEnvironments(len(m.hosts))...), append(errs, newErrors(len(m.hosts))...)
	var all sync.WaitGroup
	for i, h := range m.hosts {
		all.Go(func() {
			defer m.leave(h)
			found[i], errs[i] = m.environment(ctx, h, func(_, ctx context.Context) (*environment, error) {
				m.mu.Lock()
				m.made = append(m.made, h.Name)
				n := len(m.made)
				m.mu.Unlock()
				if err := make(ctx, n); err != nil {
					return nil, err
				}
				return &environment{by: h}, nil
			})
		})
	}
	all.Wait()
	return found, errs
}

func newEnvironments(n int) []*environment { return make([]*environment, n) }
func newErrors(n int) []error              { return make([]error, n) }

func TestOneHostMakesTheWheelsOfItsPlatform(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMakers(t, "web1", "web2", "web3")
		found, errs := m.all(t.Context(), func(context.Context, int) error { <-time.After(time.Second); return nil })
		require.NoError(t, errors.Join(errs...))
		assert.Len(t, m.made, 1)
		assert.Equal(t, found[0], found[1])
		assert.Equal(t, found[0], found[2])
	})
}

func TestAnotherHostTakesOverWhereOneFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMakers(t, "web1", "web2", "web3")
		found, errs := m.all(t.Context(), func(_ context.Context, n int) error {
			if n == 1 {
				return errors.New("no route to the index")
			}
			return nil
		})
		require.NoError(t, errors.Join(errs...), "the host that failed gets the wheels of the other")
		assert.Len(t, m.made, 2)
		assert.Equal(t, m.made[1], found[0].by.Name)
	})
}

func TestAnotherHostTakesOverWhereOneIsSlow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMakers(t, "web1", "web2", "web3")
		begin := time.Now()
		found, errs := m.all(t.Context(), func(ctx context.Context, n int) error {
			if n == 1 {
				<-ctx.Done() // until it is told that another one was faster
				return context.Cause(ctx)
			}
			<-time.After(time.Second)
			return nil
		})
		require.NoError(t, errors.Join(errs...))
		assert.Len(t, m.made, 2)
		assert.Equal(t, m.made[1], found[0].by.Name)
		assert.Equal(t, time.Minute+time.Second, time.Since(begin))
	})
}

func TestWheelsThatNobodyCanMakeAreGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMakers(t, "web1", "web2", "web3", "web4", "web5")
		_, errs := m.all(t.Context(), func(context.Context, int) error { return errors.New("no such package") })
		assert.Len(t, m.made, maxMakers)
		own := 0
		for _, err := range errs {
			if err.Error() == "no such package" {
				own++
			} else {
				require.ErrorContains(t, err, "the wheels of its platform could not be made on web")
			}
		}
		assert.Equal(t, maxMakers, own)
	})
	synctest.Test(t, func(t *testing.T) { // and where the others have failed before
		m := newMakers(t, "web1", "web2")
		m.leave(m.hosts[1])
		m.hosts = m.hosts[:1]
		_, errs := m.all(t.Context(), func(context.Context, int) error { return errors.New("no such package") })
		assert.EqualError(t, errs[0], "no such package")
	})
}

func TestWaitingForWheelsEndsWithTheRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMakers(t, "web1", "web2")
		ctx, cancel := context.WithCancelCause(t.Context())
		stop := errors.New("interrupted")
		time.AfterFunc(time.Second, func() { cancel(stop) })
		_, errs := m.all(ctx, func(ctx context.Context, _ int) error { <-ctx.Done(); return context.Cause(ctx) })
		for _, err := range errs {
			assert.ErrorIs(t, err, stop)
		}
	})
}

// TestWhatIsCopiedEarlyIsBounded: a host may report anything, and pip try many versions.
func TestWhatIsCopiedEarlyIsBounded(t *testing.T) {
	t.Parallel()
	p := newPlatform(t.Context(), time.Minute)
	assert.True(t, p.downloaded(remote.Wheel{SHA256: "a", Size: maxEarly - 1}))
	assert.False(t, p.downloaded(remote.Wheel{SHA256: "a", Size: maxEarly - 1}), "two hosts report the same")
	assert.False(t, p.downloaded(remote.Wheel{SHA256: "b", Size: 2}))
	assert.False(t, p.downloaded(remote.Wheel{SHA256: "c"}), "of a size that is not known")
	assert.True(t, p.downloaded(remote.Wheel{SHA256: "d", Size: 1}))
	assert.Len(t, p.early, 2)
}
