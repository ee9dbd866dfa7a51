// Package guard turns panics into errors. A panic in any goroutine ends a Go program with exit
// status 2, whatever the others are doing: kis would leave locks, temporary files and half a switch
// behind, and claim that nothing was contacted.
//
// So every goroutine of kis is started here, and says what becomes of a panic in it. A test keeps
// it so. A goroutine that ends by runtime.Goexit has not done its work either, and counts as one
// that has panicked.
//
// What no program can recover are panics in goroutines that a library has started, and fatal errors
// of the runtime (a map that is written by two goroutines at once, no memory, a deadlock): kis ends
// with exit status 2 there. The hosts see the end of their connections and clean up as when this
// machine crashes. Functions of kis that a library calls on its own goroutine use Try.
package guard

import (
	"fmt"
	"runtime/debug"
	"sync"
)

// Panic is a panic that was recovered: a bug of kis.
//
// It does not wrap the value, even if that is an error: whatever an error says of a host, one that
// was thrown says nothing of it.
type Panic struct {
	Value any
	Stack string // of the goroutine, where it panicked
}

// Error returns what was thrown.
func (p *Panic) Error() string { return fmt.Sprintf("panic: %v", p.Value) }

// Do calls f. If f panics, caught gets that, and Do returns. If f ends the goroutine, caught gets
// that, and the goroutine ends.
func Do(f func(), caught func(*Panic)) {
	returned := false
	defer func() {
		if returned {
			return
		}
		value := recover()
		if value == nil { // panic(nil) is a *runtime.PanicNilError
			value = "runtime.Goexit was called"
		}
		caught(&Panic{Value: value, Stack: string(debug.Stack())})
	}()
	f()
	returned = true
}

// Try calls f and returns its error, or the *Panic. It is for what other people's goroutines call;
// it cannot keep f from ending them.
func Try(f func() error) (err error) {
	Do(func() { err = f() }, func(p *Panic) { err = p })
	return err
}

// Run calls f on a goroutine of its own, waits, and returns its error or the *Panic.
func Run(f func() error) (err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		Do(func() { err = f() }, func(p *Panic) { err = p })
	}()
	<-done
	return err
}

// Go starts a goroutine. caught gets its panic, on the same goroutine.
func Go(f func(), caught func(*Panic)) {
	go Do(f, caught)
}

// Func is f for those who call it on a goroutine of their own, such as context.AfterFunc.
func Func(f func(), caught func(*Panic)) func() {
	return func() { Do(f, caught) }
}

// Group waits for goroutines. The zero value is ready; it must not be copied.
type Group struct{ running sync.WaitGroup }

// Go starts a goroutine of the group. caught gets its panic, on the same goroutine, before Wait
// returns.
func (g *Group) Go(f func(), caught func(*Panic)) {
	g.running.Go(func() { Do(f, caught) })
}

// Wait waits until all goroutines of the group have ended.
func (g *Group) Wait() { g.running.Wait() }
