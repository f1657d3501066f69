package scenarios

import "context"

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
