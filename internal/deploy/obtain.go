package deploy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/remote"
	"github.com/keep-it-simple/kis/transfer"
)

// obtain brings the wheels to the host, and the library that unpacks them.
func (h *host) obtain(ctx context.Context, wheels []remote.Wheel) error {
	all := h.filesOf(ctx, wheels)
	missing, err := h.lacking(ctx, all)
	if err != nil {
		return err
	}
	h.log.Doing(event.StepWheels, fmt.Sprintf("copying %d wheels", len(wheels)))
	if missing, err = h.storeParts(ctx, missing); err != nil {
		return err
	}
	if h.run.origin.receipt != nil || len(h.run.origin.recipe.Wheels) > 0 { // a copy of what another host has needs no index
		err = h.sendAll(ctx, event.StepWheels, missing)
	} else {
		err = h.sendOrFetch(ctx, wheels, missing)
	}
	if err == nil {
		h.run.exchange.add(h, wheels...)
	}
	return err
}

// filesOf are the wheels and the library, as this machine sends them.
func (h *host) filesOf(ctx context.Context, wheels []remote.Wheel) []upload {
	installer := h.run.installer
	all := []upload{inMemory(installer.SHA256, installer.Data)}
	for _, wheel := range wheels {
		if h.built != nil && wheel.SHA256 == h.built.SHA256 {
			all = append(all, upload{wheel.SHA256, wheel.Size, h.built.Open})
			continue
		}
		all = append(all, upload{sha256: wheel.SHA256, size: wheel.Size, open: func() (io.ReadCloser, error) { return h.run.exchange.open(ctx, wheel) }})
	}
	return all
}

// storeParts stores those of the files that were copied before it was known that they are needed, see early, and returns the
// others.
func (h *host) storeParts(ctx context.Context, missing []upload) (left []upload, err error) {
	for _, u := range missing {
		if part, some := h.parts[u.sha256]; some {
			err := h.session.Receive(ctx, part, u.sha256, u.size)
			if err == nil {
				continue
			}
			if _, refused := errors.AsType[*remote.Refused](err); !refused {
				return nil, err
			}
		}
		left = append(left, u)
	}
	return left, nil
}

// Whether a host asks the index for wheels: pip takes some seconds to start and to ask, but the host's line to an index
// is faster than that of this machine to many hosts, and of this machine to any host when it is far away.
const (
	fetchFrom = 8 << 20 // bytes of wheels that the host lacks; fewer are sent, unless that lasts too long
	probeSize = 2 << 20 // bytes of the largest wheel that is sent to measure the line
)

// sendOrFetch sends what the host lacks, or has it ask the index for wheels where that is faster, or no host gives one.
func (h *host) sendOrFetch(ctx context.Context, wheels []remote.Wheel, missing []upload) error {
	ended, err := h.sendSoon(ctx, wheels, missing)
	if ended {
		return err
	}
	if missing, err = h.lacking(ctx, missing); err != nil {
		return err
	}
	if err := h.fetch(ctx, h.ofIndex(wheels, missing)); err != nil {
		return err
	}
	if missing, err = h.lacking(ctx, missing); err != nil {
		return err
	}
	return h.sendAll(ctx, event.StepWheels, missing)
}

// sendSoon sends files. It has not ended where the host is to ask the index for the rest.
func (h *host) sendSoon(ctx context.Context, wheels []remote.Wheel, missing []upload) (ended bool, err error) {
	out, begun := h.newSender(event.StepWheels, missing), time.Now()
	defer out.close()
	missing = h.probeFirst(missing)
	for i, u := range missing {
		rest := h.ofIndex(wheels, missing[i:])
		if len(rest) > 0 && (i > 0 && time.Since(begun) > h.run.timeouts().Index || h.isIndexFaster(rest, u)) {
			return false, nil
		}
		if err := out.send(ctx, u); err != nil {
			noSource := isUnreadable(err) && len(h.ofIndex(wheels, []upload{u})) > 0
			return !noSource, err
		}
	}
	return true, nil
}

// isIndexFaster reports whether the host gets these wheels sooner from the index. next is what would be sent first: a line
// that is not known yet can be measured by it.
func (h *host) isIndexFaster(rest []remote.Wheel, next upload) bool {
	if sizeOf(rest) < fetchFrom {
		return false
	}
	if !h.line.isKnown() && next.size <= probeSize {
		return false
	}
	return !h.isSentSoon(rest...)
}

// isSentSoon reports whether files that another host has are here within the time that it takes to ask an index.
func (h *host) isSentSoon(files ...remote.Wheel) bool {
	took, known := h.lasts(files...)
	return known && took <= h.run.timeouts().Index
}

// lasts is how long it takes to read files from another host and to send them to this one, by what was measured: until
// something was sent to this host, by what was sent to the others.
func (h *host) lasts(files ...remote.Wheel) (took time.Duration, known bool) {
	read, known := h.run.exchange.lasts(files...)
	to := h.line
	if !to.isKnown() {
		to = h.run.line.now()
	}
	if !known || !to.isKnown() {
		return 0, false
	}
	return read + to.lasts(sizeOf(files)), true
}

// measure notes how long it took to send so many bytes to this host.
func (h *host) measure(bytes int64, took time.Duration) {
	h.line.measure(bytes, took)
	h.run.line.measure(bytes, took)
}

// isUnreadable reports whether what was to be sent could not be read.
func isUnreadable(err error) bool {
	failed, some := errors.AsType[*transfer.Error](err)
	return some && failed.Kind == transfer.Source
}

// fetch has the host get wheels from the index. What the index does not give comes from another host.
func (h *host) fetch(ctx context.Context, wanted []remote.Wheel) error {
	if len(wanted) == 0 {
		return nil
	}
	h.log.Doing(event.StepWheels, fmt.Sprintf("fetching %d wheels from the index", len(wanted)))
	err := h.session.Fetch(ctx, wanted, h.run.origin.recipe.Recipe, h.run.timeout(), h.log.Output(event.StepWheels))
	if refused, some := errors.AsType[*remote.Refused](err); some {
		h.log.Notice("gets its wheels from another host: " + refused.Message)
		return nil
	}
	return err
}

// ofIndex are the wheels among the files that an index may have.
func (h *host) ofIndex(wheels []remote.Wheel, files []upload) (wanted []remote.Wheel) {
	for _, wheel := range wheels {
		isOne := slices.ContainsFunc(files, func(u upload) bool { return u.sha256 == wheel.SHA256 })
		if isOne && !wheel.Built && wheel.SHA256 != h.application {
			wanted = append(wanted, wheel)
		}
	}
	return wanted
}

func sizeOf(files []remote.Wheel) (bytes int64) {
	for _, f := range files {
		bytes += f.Size
	}
	return bytes
}

// probeFirst begins with the file that tells most about the line, among those that are small enough for a slow one.
func (h *host) probeFirst(files []upload) []upload {
	probe := -1
	for i, u := range files {
		if u.size >= minMeasured && u.size <= probeSize && (probe < 0 || u.size > files[probe].size) {
			probe = i
		}
	}
	if probe < 0 || h.line.isKnown() {
		return files
	}
	return slices.Concat(files[probe:probe+1], files[:probe], files[probe+1:])
}
