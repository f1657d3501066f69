package leaks

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { Main(m) }

// A goroutine that ends later than goleak alone would wait is no leak.
func TestWhatEndsLateIsNoLeak(t *testing.T) {
	before := goleak.IgnoreCurrent()
	looked, end := make(chan struct{}), make(chan struct{})
	go func() { <-end }()
	go func() {
		for goleak.Find(before) == nil { // it sees itself and the other
			time.Sleep(time.Millisecond)
		}
		close(looked)
	}()
	go func() {
		<-looked
		close(end)
	}()
	None(t, before)
}

// tests stand for a package's.
type tests struct{ code int }

func (s tests) Run() int { return s.code }

// The outcome of tests that fail is handed on, and nobody waits for what they have left.
func TestAFailureIsHandedOn(t *testing.T) {
	end := make(chan struct{})
	defer close(end)
	go func() { <-end }()
	if code := (patient{tests: tests{3}}).Run(); code != 3 {
		t.Errorf("code %d", code)
	}
}
