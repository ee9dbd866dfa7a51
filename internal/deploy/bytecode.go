package deploy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/remote"
)

// bytecode is that of a package for one platform. The first host that has many modules to compile packs what it has
// compiled for the others: compiling takes longer than anything else that they do.
type bytecode struct {
	maker  atomic.Pointer[host] // that compiles for the others; nil: none yet
	done   chan struct{}        // closed when it is packed, or will not be
	packed *remote.Wheel        // nil: it is not; to be read when done is closed
}

func newBytecode() *bytecode { return &bytecode{done: make(chan struct{})} }

const (
	worthPacking = 200     // modules; fewer are compiled sooner than they are sent
	likelySize   = 8 << 20 // bytes of the packed bytecode of a large application
)

// compile gives the modules of the package their bytecode.
func (h *host) compile(ctx context.Context, modules int) error {
	p := h.run.platforms[h.facts.Platform]
	switch {
	case modules < worthPacking:
		return h.session.Compile(ctx, "", h.run.timeout())
	case p.isShared() && p.bytecode.maker.CompareAndSwap(nil, h):
		return h.compileForAll(ctx, modules, p.bytecode)
	}
	given := h.othersBytecode(ctx, modules, p.bytecode)
	if given == "" {
		h.log.Doing(event.StepEnvironment, fmt.Sprintf("compiling %d modules", modules))
	}
	return h.session.Compile(ctx, given, h.run.timeout())
}

// compileForAll compiles the modules, and packs their bytecode.
func (h *host) compileForAll(ctx context.Context, modules int, b *bytecode) error {
	defer close(b.done)
	h.log.Doing(event.StepEnvironment, fmt.Sprintf("compiling %d modules", modules))
	if err := h.session.Compile(ctx, "", h.run.timeout()); err != nil {
		return err
	}
	packed, err := h.session.Pack(ctx, h.run.timeout())
	if refused, some := errors.AsType[*remote.Refused](err); some {
		h.log.Notice("its bytecode is not packed for other hosts: " + refused.Message)
		return nil
	}
	if err != nil {
		return err
	}
	file := remote.Wheel{Name: "the bytecode", SHA256: packed.SHA256, Size: packed.Size}
	h.run.exchange.add(h, file)
	b.packed = &file
	return nil
}

// othersBytecode brings what another host has packed to this one, and returns its digest: "" where there is nothing, or
// compiling is faster.
func (h *host) othersBytecode(ctx context.Context, modules int, b *bytecode) string {
	maker := b.maker.Load()
	if maker == nil || !h.isSentSoon(remote.Wheel{Size: likelySize}) {
		return ""
	}
	h.log.Doing(event.StepEnvironment, "waiting for the bytecode of "+maker.Name)
	select {
	case <-b.done:
	case <-time.After(time.Duration(modules) * h.run.timeouts().Module):
		return ""
	case <-ctx.Done():
		return ""
	}
	if b.packed == nil || !h.isSentSoon(*b.packed) {
		return ""
	}
	packed := *b.packed
	err := h.upload(ctx, event.StepEnvironment, []upload{{packed.SHA256, packed.Size, func() (io.ReadCloser, error) { return h.run.exchange.open(ctx, packed) }}})
	if err != nil {
		return "" // this host compiles, unless it is lost
	}
	return packed.SHA256
}
