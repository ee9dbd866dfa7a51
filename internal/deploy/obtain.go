package deploy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/remote"
)

// obtain sends what the host lacks of the wheels, and the library that unpacks them.
func (h *host) obtain(ctx context.Context, wheels []remote.Wheel) error {
	installer := h.run.installer
	all := []upload{{installer.SHA256, int64(len(installer.Data)), func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(installer.Data)), nil }}}
	for _, wheel := range wheels {
		if h.built != nil && wheel.SHA256 == h.built.SHA256 {
			all = append(all, upload{wheel.SHA256, wheel.Size, h.built.Open})
			continue
		}
		all = append(all, upload{sha256: wheel.SHA256, size: wheel.Size, open: func() (io.ReadCloser, error) { return h.run.exchange.open(ctx, wheel) }})
	}
	missing, err := h.lacking(ctx, all)
	if err != nil {
		return err
	}
	h.log.Doing(event.StepWheels, fmt.Sprintf("copying %d wheels", len(wheels)))
	if missing, err = h.fetch(ctx, wheels, missing); err != nil {
		return err
	}
	if err := h.sendAll(ctx, event.StepWheels, missing); err != nil {
		return err
	}
	h.run.exchange.add(h, wheels...)
	return nil
}

// Whether a host asks the index for wheels: pip takes some seconds to start and to ask, but the host's line to an
// index is faster than that of this machine to many hosts, and of this machine to any host when it is far away.
const (
	fetchFrom = 8 << 20 // bytes of wheels that the host lacks; fewer are sent, however slow the line is
	probeSize = 2 << 20 // bytes of the largest wheel that is sent to measure the line
)

// fetch gets wheels from the index, where that is faster than to send what is missing, and returns what is to be sent.
// What the index does not give comes from another host.
func (h *host) fetch(ctx context.Context, wheels []remote.Wheel, missing []upload) (left []upload, err error) {
	r := h.run
	if r.origin.receipt != nil || len(r.origin.recipe.Wheels) > 0 { // a copy of what another host has needs no index
		return missing, nil
	}
	wanted, size := h.ofIndex(wheels, missing)
	if size < fetchFrom {
		return missing, nil
	}
	if probe, some := largestProbe(missing); some && !h.line.isKnown() {
		if err := h.sendAll(ctx, event.StepWheels, []upload{probe}); err != nil {
			return nil, err
		}
		missing = slices.DeleteFunc(missing, func(u upload) bool { return u.sha256 == probe.sha256 })
		wanted, size = h.ofIndex(wheels, missing)
	}
	if h.line.isKnown() && h.line.lasts(size) < r.timeouts().Index {
		return missing, nil
	}
	h.log.Doing(event.StepWheels, fmt.Sprintf("fetching %d wheels from the index", len(wanted)))
	err = h.session.Fetch(ctx, wanted, r.origin.recipe.Recipe, r.timeout(), h.log.Output(event.StepWheels))
	if refused, some := errors.AsType[*remote.Refused](err); some {
		h.log.Notice("gets its wheels from another host: " + refused.Message)
		return missing, nil
	}
	if err != nil {
		return nil, err
	}
	return h.lacking(ctx, missing)
}

// ofIndex are the wheels among the missing files that an index may have, and their size.
func (h *host) ofIndex(wheels []remote.Wheel, missing []upload) (wanted []remote.Wheel, size int64) {
	for _, wheel := range wheels {
		isMissing := slices.ContainsFunc(missing, func(u upload) bool { return u.sha256 == wheel.SHA256 })
		if isMissing && !wheel.Built && wheel.SHA256 != h.application {
			wanted, size = append(wanted, wheel), size+wheel.Size
		}
	}
	return wanted, size
}

// largestProbe is the file that tells most about the line, among those that are small enough for a slow one.
func largestProbe(missing []upload) (probe upload, some bool) {
	for _, u := range missing {
		if u.size >= tells && u.size <= probeSize && u.size > probe.size {
			probe, some = u, true
		}
	}
	return probe, some
}
