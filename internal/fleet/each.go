package fleet

import "sync"

// each runs work for 0 … n-1, at most limit at a time (0: all at once), and waits for all of them. It never stops early: every host reports.
func each(n, limit int, work func(i int)) {
	if limit <= 0 || limit > n {
		limit = n
	}
	slots := make(chan struct{}, max(limit, 1))
	var all sync.WaitGroup
	for i := range n {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			work(i)
		})
	}
	all.Wait()
}
