package scenarios

import (
	"context"
	"runtime"
	"sync"
)

// Proof is what a check shows about itself: it passes the sound peer and catches each of its deviations.
type Proof struct {
	ID    string
	Suite string
	// Defect is the row's, in the catalogue's words.
	Defect string
	// Sound is the result on the peer without a deviation.
	Sound *Result
	// Caught holds one result for each deviation.
	Caught []Catch
}

// Catch is the result of a check on a peer with one deviation.
type Catch struct {
	Deviation string
	Result    *Result
}

// Sighted tells whether the check saw the deviation: it failed, or warned where its row's level allows no more. A skip,
// an inconclusive or a broken result catches nothing.
func (c Catch) Sighted() bool { return c.Result.Verdict == Fail || c.Result.Verdict == Warn }

// Stands tells whether the check proves itself: it passes the sound peer, has at least one deviation and sees all.
func (p Proof) Stands() bool {
	if p.Sound.Verdict != Pass || len(p.Caught) == 0 {
		return false
	}
	for _, c := range p.Caught {
		if !c.Sighted() {
			return false
		}
	}
	return true
}

// Prove runs the check on the sound embedded peer and on one peer for each deviation.
func (r *Runner) Prove(ctx context.Context, e Entry) Proof {
	p := Proof{ID: e.ID, Suite: e.Suite, Defect: e.Row.Defect, Sound: r.One(ctx, e, nil)}
	for i := range e.Deviations {
		d := &e.Deviations[i]
		p.Caught = append(p.Caught, Catch{Deviation: d.Name, Result: r.One(ctx, e, d)})
	}
	return p
}

// ProveAll proves the entries, several at once where all are virtual, and hands the proofs to told in the order of the
// entries. It ends early with ctx's cause.
func (r *Runner) ProveAll(ctx context.Context, entries []Entry, told func(Proof)) error {
	proofs := make([]chan Proof, len(entries))
	for i := range proofs {
		proofs[i] = make(chan Proof, 1)
	}
	places := make(chan int)
	var all sync.WaitGroup
	defer all.Wait()
	defer close(places)
	for range r.provers(entries) {
		all.Go(func() {
			for place := range places {
				proofs[place] <- r.Prove(ctx, entries[place])
			}
		})
	}
	next := 0
	for place := range entries {
		for fed := false; !fed; {
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case places <- place:
				fed = true
			case proof := <-proofs[next]:
				told(proof)
				next++
			}
		}
	}
	for ; next < len(entries); next++ {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case proof := <-proofs[next]:
			told(proof)
		}
	}
	return nil
}

// provers tells how many checks are proved at once.
func (r *Runner) provers(entries []Entry) int {
	for _, e := range entries {
		if !e.Of.Virtual {
			return 1
		}
	}
	if r.Workers > 0 {
		return r.Workers
	}
	return runtime.GOMAXPROCS(0)
}
