package probe

import "strings"

// Mismatch says that something else came than what was accepted. It is an error whose text says all that a reader needs.
type Mismatch struct {
	// Want are the accepted outcomes, Got is what came instead.
	Want []string
	Got  string
	// Last are the last PDUs and events of all connections, oldest first.
	Last []string
}

// Error returns "Expected: a or b", "Actual: c" and the last PDUs, on lines of their own.
func (m *Mismatch) Error() string {
	var b strings.Builder
	b.WriteString("Expected: " + strings.Join(m.Want, " or ") + "\nActual: " + m.Got)
	if len(m.Last) > 0 {
		b.WriteString("\nLast PDUs:\n  " + strings.Join(m.Last, "\n  "))
	}
	return b.String()
}

// Mismatch makes a Mismatch from what came and what would have been accepted.
func (p *Prober) Mismatch(got string, want ...string) *Mismatch {
	return &Mismatch{Want: want, Got: got, Last: p.Last()}
}

// Mismatch does the same for an event of the connection.
func (c *Conn) Mismatch(got Event, want ...string) *Mismatch {
	return c.prober.Mismatch(got.String(), want...)
}

// lastMax is how many lines a Prober remembers for its messages.
const lastMax = 8

func (p *Prober) remember(line string) {
	if len(p.last) == lastMax {
		copy(p.last, p.last[1:])
		p.last = p.last[:lastMax-1]
	}
	p.last = append(p.last, line)
}

// Last returns the last PDUs and events of all connections, oldest first, each with the number of its connection and an arrow:
// "#1 > " for sent, "#1 < " for received.
func (p *Prober) Last() []string { return append([]string(nil), p.last...) }
