package deploy

import "github.com/keep-it-simple/kis/remote"

// Allow is Recipe.allow, for tests.
func Allow(r Recipe, made []remote.Wheel) error { return r.allow(made) }
