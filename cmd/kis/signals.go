package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
)

// signals turns signals into the end of a context. The first asks; the second ends kis at once, unless the links are being switched:
// a fleet must not be left split because somebody is impatient.
type signals struct {
	switching atomic.Bool
	cancel    context.CancelFunc
	caught    chan os.Signal
	owned     sync.WaitGroup
}

func catchSignals(ctx context.Context, messages io.Writer, exit func(int)) (context.Context, *signals) {
	ctx, cancel := context.WithCancel(ctx)
	s := &signals{cancel: cancel, caught: make(chan os.Signal, 4)}
	signal.Notify(s.caught, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	signal.Ignore(syscall.SIGPIPE) // `kis push | head` must not change the course of a push
	s.owned.Go(func() {
		asked := false
		for range s.caught {
			switch {
			case s.switching.Load():
				_, _ = fmt.Fprintln(messages, "kis: the links are being switched: finishing, or taking the switch back, first")
			case asked:
				exit(130)
			default:
				_, _ = fmt.Fprintln(messages, "kis: interrupted: waiting for the hosts to let go (once more: leave at once; they let go by themselves)")
			}
			asked = true
			cancel()
		}
	})
	return ctx, s
}

// stop gives signals their usual meaning back.
func (s *signals) stop() {
	signal.Stop(s.caught)
	close(s.caught)
	s.owned.Wait()
	s.cancel()
}
