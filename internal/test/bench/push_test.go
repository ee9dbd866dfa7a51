//go:build bench

package bench

import "testing"

// TestPush: to fresh hosts, a second version, and again what is there. Every contender has hosts of
// its own.
func TestPush(t *testing.T) {
	for _, n := range sizes(1, 4, 16) {
		b := newTable(t, rivals(t))
		for range *rounds {
			b.each(func(c contender) error { return b.push(c, n) })
		}
		b.print()
	}
}

func (b *table) push(c contender, n int) error {
	s := newSite(b.t, n, application("1.0"), regular)
	defer s.end()
	fresh, err := c.do(s, push("1.0"))
	if err != nil {
		return err
	}
	s.write(application("1.1"))
	second, err := c.do(s, push("1.1"))
	if err != nil {
		return err
	}
	repeat := push("1.1")
	if c.name == "hand" {
		repeat = reach() // who knows that everything is there does nothing
	}
	again, err := c.do(s, repeat)
	if err != nil {
		return err
	}
	b.row("s", "push to %d fresh", n).add(c, fresh.seconds)
	b.row("s", "second version, %d", n).add(c, second.seconds)
	b.row("s", "push of what is there, %d", n).add(c, again.seconds)
	return nil
}
