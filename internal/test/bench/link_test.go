//go:build bench

package bench

import "testing"

// hostCPU is how many seconds of CPU a link or a rollback may cost a host.
const hostCPU = 0.10

// TestLink: another package on hosts that have both, and back; and what that costs the hosts.
func TestLink(t *testing.T) {
	for _, n := range sizes(1, 16, 64) {
		s := twoVersions(t, n)
		b := newTable(t, rivals(t))
		for range *rounds {
			b.each(func(c contender) error { return b.link(c, s) })
		}
		b.print()
		s.end()
	}
}

// twoVersions is hosts with two packages, the second linked.
func twoVersions(t *testing.T, n int) site {
	s := newSite(t, n, application("1.0"), regular)
	kis().must(s, push("1.0"))
	s.write(application("1.1"))
	kis().must(s, push("1.1"))
	return s
}

func (b *table) link(c contender, s site) error {
	back, err := c.do(s, rollback("1.0"))
	if err != nil {
		return err
	}
	forth, err := c.do(s, link("1.1"))
	if err != nil {
		return err
	}
	n := len(s.Hosts)
	b.row("s", "rollback on %d", n).add(c, back.seconds)
	b.row("s", "link on %d", n).add(c, forth.seconds)
	b.row("s of CPU per host", "rollback on %d", n).add(c, back.cpu).limit = hostCPU
	b.row("s of CPU per host", "link on %d", n).add(c, forth.cpu).limit = hostCPU
	return nil
}
