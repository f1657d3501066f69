// Package leaks holds a package's tests to leaving no goroutine behind. It is go.uber.org/goleak with patience: that gives what is about to
// end less than half a second, which on a busy machine says nothing.
//
// # First use
//
//	func TestMain(m *testing.M) { leaks.Main(m) }
package leaks

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience is how long goroutines have to end. Only a leak needs all of it.
const patience = time.Minute

// Main runs the tests of a package and ends the process: with a failure when they have passed and goroutines are left. Options are goleak's.
func Main(m *testing.M, options ...goleak.Option) {
	goleak.VerifyTestMain(patient{m, options}, options...)
}

// patient is a package's tests with a wait behind them.
type patient struct {
	tests   goleak.TestingM
	options []goleak.Option
}

// Run runs the tests, and waits for goroutines where they have passed.
func (p patient) Run() int {
	code := p.tests.Run()
	if code == 0 {
		settle(p.options)
	}
	return code
}

// None fails a test when goroutines are left that the options do not name.
func None(t testing.TB, options ...goleak.Option) {
	t.Helper()
	settle(options)
	goleak.VerifyNone(t, options...)
}

func settle(options []goleak.Option) {
	for end := time.Now().Add(patience); goleak.Find(options...) != nil && time.Now().Before(end); {
		continue // Find waits by itself between its looks
	}
}
