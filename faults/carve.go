package faults

import "time"

// Strike is one placed fault that strikes one PDU, at a place in it.
type Strike struct {
	Armed *Armed
	At    int  // offset of the fault's Byte from the PDU's first byte; may lie behind the PDU's end, where it never takes effect
	Done  bool // it has taken effect
}

// Carved is what the strikes on a PDU make of a run of its bytes.
type Carved struct {
	Segments [][]byte      // what still travels, in order, each a segment of its own; they share the run's memory
	Slow     time.Duration // how much longer the first segment takes
	Pause    time.Duration // and each further one
	Wait     *Strike       // a coalesce: the last segment waits up to its By for more, and travels with it; nil when none
	End      *Strike       // a reset, fin or silence, which takes place behind the last segment; nil when none
	Rest     []byte        // with a silence, what follows it
	Effects  []*Strike     // those that took effect in this run for the first time, End among them; Done is set
}

// Carve applies strikes to a run of a PDU's bytes, the first of which is at offset from in the PDU. last tells that the PDU ends with the run. A carrier that
// holds whole PDUs calls it once for each, with from 0 and last true; one that passes fragments on, once for each fragment. b is changed in place. Whatever
// the order of the strikes: bytes are corrupted, then truncated, then split; of several ends the earliest takes place, and nothing takes effect behind it. A
// coalesce counts when something does travel along, which the carrier sees.
func Carve(strikes []*Strike, b []byte, from int, last bool) Carved {
	var c Carved
	happen := func(s *Strike) {
		if !s.Done {
			s.Done = true
			c.Effects = append(c.Effects, s)
		}
	}
	ends := len(b)
	for _, s := range strikes {
		at := max(s.At-from, 0)
		switch s.Armed.fault.Verb {
		case Reset, Fin, Silence:
			if !s.Done && (at < len(b) || at == len(b) && last) && (c.End == nil || at < ends) {
				c.End, ends = s, at
			}
		}
	}
	pass := ends
	for _, s := range strikes {
		if v := s.Armed.fault.Verb; v != Drop && v != Truncate {
			continue
		}
		if at := max(s.At-from, 0); at < ends {
			pass = min(pass, at)
			happen(s)
		}
	}
	for _, s := range strikes {
		if at := s.At - from; s.Armed.fault.Verb == Corrupt && at >= 0 && at < pass {
			b[at] ^= s.Armed.fault.inverted()
			happen(s)
		}
	}
	c.cutUp(strikes, b[:pass], from, happen)
	if c.End != nil {
		happen(c.End)
		if c.End.Armed.fault.Verb == Silence {
			if pass == ends { // else all that follows was truncated
				c.Rest = b[ends:]
			}
		}
	}
	return c
}

// cutUp splits what passes into segments, and finds what delays them.
func (c *Carved) cutUp(strikes []*Strike, b []byte, from int, happen func(*Strike)) {
	if len(b) == 0 {
		return
	}
	borders := map[int]bool{}
	for _, s := range strikes {
		f := s.Armed.fault
		switch f.Verb {
		case Delay:
			if !s.Done {
				c.Slow += f.By
			}
			happen(s)
		case Coalesce:
			c.Wait = s
		case Split:
			for _, at := range f.borders(s.At, from, len(b)) {
				borders[at] = true
				happen(s)
			}
			c.Pause = max(c.Pause, f.By)
		}
	}
	start := 0
	for i := 1; i <= len(b); i++ {
		if i == len(b) || borders[i] {
			c.Segments = append(c.Segments, b[start:i:i])
			start = i
		}
	}
}

// borders gives the offsets in a run of n bytes, from bytes into the PDU, at which a placed split starts a new segment.
func (f Fault) borders(at, from, n int) []int {
	if f.Size == 0 {
		if at -= from; at > 0 && at < n {
			return []int{at}
		}
		return nil
	}
	var borders []int
	for i := f.Size - from%f.Size; i < n; i += f.Size {
		borders = append(borders, i)
	}
	return borders
}

// inverted is the mask of a corrupt's bits.
func (f Fault) inverted() byte {
	if f.Mask == 0 {
		return 0xff
	}
	return f.Mask
}
