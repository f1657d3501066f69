package scenarios

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// PanicError is a panic that a bubble or a check carried out, with the stack where it happened.
type PanicError struct {
	Value any
	Stack string
}

// Error names the panic's value; the stack is for whoever asks.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// DeadlockError tells that all goroutines of a bubble wait for each other, or that some outlived its main function.
type DeadlockError struct{ State string }

// Error names the blocked state in one line.
func (e *DeadlockError) Error() string { return "deadlock in the bubble: " + firstLine(e.State) }

// Bubble runs f on a fake clock that starts at 2000-01-01 and jumps when all goroutines in the bubble wait. The context
// ends after limit of virtual time (0 means no limit); t lends its identity and is never failed. Several bubbles may
// run at once with one t. The error is nil, a *PanicError where f panicked, or a *DeadlockError. Everything that f
// starts must have ended, or be about to end by itself, when f returns.
func Bubble(t *testing.T, limit time.Duration, f func(ctx context.Context)) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = carried(v)
		}
	}()
	var inside *PanicError
	synctest.Test(t, func(t *testing.T) {
		// A panic in the bubble's own goroutine would end the process, so it is carried out by hand.
		defer func() {
			if v := recover(); v != nil {
				inside = &PanicError{Value: v, Stack: string(debug.Stack())}
			}
		}()
		ctx, cancel := context.Background(), context.CancelFunc(func() {})
		if limit > 0 {
			ctx, cancel = context.WithTimeout(ctx, limit)
		}
		defer cancel()
		f(ctx)
	})
	if inside != nil {
		return inside
	}
	return nil
}

// carried tells a deadlock, which synctest reports by panicking, from other panics.
func carried(v any) error {
	if text := fmt.Sprint(v); strings.HasPrefix(text, "deadlock") {
		return &DeadlockError{State: text + "\n\n" + blocked(stacks())}
	}
	return &PanicError{Value: v, Stack: string(debug.Stack())}
}

// BubbleOutcome turns the error of Bubble into the outcome it stands for: both a panic and a deadlock are defects of
// the harness or of the project's own peers, so never a verdict about the row.
func BubbleOutcome(err error) Outcome {
	var deadlock *DeadlockError
	var panicked *PanicError
	switch {
	case errors.As(err, &deadlock):
		return Outcome{Verdict: Broken, Reason: deadlock.Error(), Actual: deadlock.State}
	case errors.As(err, &panicked):
		return Outcome{Verdict: Broken, Reason: panicked.Error(), Actual: panicked.Stack}
	}
	return Outcome{Verdict: Broken, Reason: fmt.Sprint(err)}
}

// blocked keeps those goroutines of a dump of stacks that wait for good inside some bubble.
func blocked(dump string) string {
	var kept []string
	for _, goroutine := range strings.Split(dump, "\n\n") {
		if head := firstLine(goroutine); strings.Contains(head, "synctest bubble") && strings.Contains(head, "(durable)") {
			kept = append(kept, goroutine)
		}
	}
	return strings.Join(kept, "\n\n")
}

// firstLine cuts a text at its first line break.
func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
