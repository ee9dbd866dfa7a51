package fleet

import "time"

// Impatient makes the switch give up early, for tests in which hosts do not answer.
func (f *Fleet) Impatient() {
	f.patience = patience{armed: 30 * time.Second, arm: 3 * time.Second, call: 2 * time.Second, link: 3 * time.Second, find: 8 * time.Second}
}
