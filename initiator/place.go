package initiator

import (
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi"
)

// ExistsError refuses a login to a place that has its session already. Only AddSession adds to a taken place.
type ExistsError struct {
	// ID is the session that is there, whatever its state.
	ID SessionID
}

// Error names the session that is there.
func (e *ExistsError) Error() string {
	return fmt.Sprintf("session %s to this portal group exists already; add a session to have another", e.ID)
}

// place is what one session occupies: an initiator port, a target portal group (RFC 7143, Section 4.4.2) and an ISID.
type place struct {
	id     SessionID
	port   int
	target string
	kind   Kind
	// portal is the configured portal.
	portal iscsi.Address
	// tag is the portal group tag: from discovery before the login, from the target's own word after it.
	tag    uint16
	hasTag bool
	isid   iscsi.ISID
	// added is true for sessions beyond the default ones.
	added bool
}

// placeTable knows the places of all sessions of one initiator. It is a plain state type; the Manager guards it.
type placeTable struct {
	places   []*place
	makeISID func(port int, qualifier uint16) iscsi.ISID
	dev      *Deviations
	// drawn counts ISIDs handed out, restarts those of the initiator, for deviations that count on.
	drawn, restarts int
}

// sameGroup reports whether two places are in one portal group, as far as is known: the tags decide, and where one is
// unknown, the configured portal does.
func (p *place) sameGroup(o *place) bool {
	if p.hasTag && o.hasTag {
		return p.tag == o.tag
	}
	return p.portal == o.portal
}

// mayShareISID reports whether two sessions of one port to one target may have one ISID: only default sessions of
// different portal groups, and only when that is certain, because at one portal group the second login would end the first
// (session reinstatement; RFC 7143, Section 6.3.5).
func (p *place) mayShareISID(o *place) bool {
	return !p.added && !o.added && p.hasTag && o.hasTag && p.tag != o.tag
}

// taken returns the session that occupies the place p asks for. Discovery sessions occupy none: they
// end by themselves and surface nothing.
func (t *placeTable) taken(p *place) (SessionID, bool) {
	if p.kind == Discovery {
		return 0, false
	}
	for _, o := range t.places {
		if o != p && o.port == p.port && o.target == p.target && o.kind.placeClass() == p.kind.placeClass() && o.sameGroup(p) {
			return o.id, true
		}
	}
	return 0, false
}

// join gives p an ISID of its own and enters it.
func (t *placeTable) join(p *place) error {
	isid, err := t.freeISID(p)
	if err != nil {
		return err
	}
	p.isid = isid
	t.places = append(t.places, p)
	return nil
}

// leave frees the place and its ISID.
func (t *placeTable) leave(p *place) {
	for i, o := range t.places {
		if o == p {
			t.places = append(t.places[:i], t.places[i+1:]...)
			return
		}
	}
}

// freeISID returns the first ISID that p may use beside the sessions that exist.
func (t *placeTable) freeISID(p *place) (iscsi.ISID, error) {
	port, first := p.port, firstQualifier(p.kind, p.added)
	t.drawn++
	switch paths := t.dev.Paths; {
	case paths.OneISIDPerHost:
		port = 0
		return t.makeISID(port, first), nil
	case paths.RestartChangesISID:
		first += uint16(t.restarts)
	case paths.ISIDPerLogin:
		first += uint16(t.drawn)
	case paths.QualifierWraps > 0 && p.added:
		return t.makeISID(port, first+uint16(t.drawn%paths.QualifierWraps)), nil
	}
	for i := range 1 << 16 {
		isid := t.makeISID(port, first+uint16(i))
		if t.isidFree(p, isid) {
			return isid, nil
		}
	}
	return iscsi.ISID{}, fmt.Errorf("initiator port %d has no ISID left for target %q: want fewer than 65536 sessions", p.port, p.target)
}

// isidFree reports whether no other session of the same port and target stands in the way of p using isid.
func (t *placeTable) isidFree(p *place, isid iscsi.ISID) bool {
	for _, o := range t.places {
		if o != p && o.port == p.port && o.target == p.target && o.isid == isid && !p.mayShareISID(o) {
			return false
		}
	}
	return true
}

// reinstates returns the session that a login of p would end at the given portal: one with the same ISID that is
// there. A redirect can lead a login to where it was not meant to go.
func (t *placeTable) reinstates(p *place, at iscsi.Address, current func(SessionID) (iscsi.Address, bool)) (SessionID, bool) {
	for _, o := range t.places {
		if o == p || o.port != p.port || o.target != p.target || o.isid != p.isid {
			continue
		}
		if where, up := current(o.id); up && where.HostPort() == at.HostPort() {
			return o.id, true
		}
	}
	return 0, false
}
