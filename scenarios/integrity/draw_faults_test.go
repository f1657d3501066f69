package integrity

import (
	"net/netip"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/iscsispec/iscsispec/faults"
	"github.com/iscsispec/iscsispec/scenarios/sessions"
	"github.com/iscsispec/iscsispec/simtarget"
)

// Verbs that do no harm which TCP would not do, and those that only digests can notice.
var (
	lawful   = []faults.Verb{faults.Reset, faults.Fin, faults.Silence, faults.Refuse, faults.Blackhole, faults.Stall, faults.Delay, faults.Jitter, faults.Throttle, faults.Split, faults.Coalesce, faults.Drop}
	afar     = append(slices.Clone(lawful), faults.Move) // where there is another portal to move to
	unlawful = []faults.Verb{faults.Corrupt, faults.Truncate}
	// wounded are the PDUs that placed faults strike: those of full feature phase have digests.
	wounded = []string{"scsi-command", "scsi-response", "data-in"}
	others  = []string{"login-request", "login-response", "nop-out", "nop-in", "logout-request", "logout-response"}
)

// composition is one or several faults that belong together, and what the array does at the same time.
type composition struct {
	faults []faults.Fault
	steps  []sessions.Step
}

// composition draws one: mostly a single fault, else one of the ways in which several make more than each of them.
func (d *drawn) composition(t *rapid.T) composition {
	at := instant(t)
	soon := at + time.Duration(rapid.SampledFrom([]int{1, 30, 200, 1000, 3000}).Draw(t, "soon"))*time.Millisecond
	cut := faults.Fault{Verb: rapid.SampledFrom([]faults.Verb{faults.Reset, faults.Fin}).Draw(t, "cut"), Scope: d.scope(t), At: soon}
	switch rapid.IntRange(0, 9).Draw(t, "composed") {
	case 4: // The array executes, and the answer is lost with the connection.
		lost := faults.Fault{Verb: cut.Verb, Scope: cut.Scope, At: at, PDU: rapid.SampledFrom([]string{"scsi-response", "data-in"}).Draw(t, "answer"), Byte: place(t),
			Nth: rapid.SampledFrom([]int{0, 0, 2}).Draw(t, "nth")}
		if rapid.Bool().Draw(t, "again") {
			lost.Each, lost.Times = 1, 2
		}
		return composition{faults: []faults.Fault{lost}}
	case 5: // The array restarts, and is away for a while.
		away := faults.Fault{Verb: faults.Refuse, At: at, For: lasting(t)}
		return composition{[]faults.Fault{away}, array(at, simtarget.Action{Restart: &simtarget.Restart{How: broken(t)}})}
	case 6: // The array executes and does not answer, and then the connection breaks.
		return composition{[]faults.Fault{cut}, array(at, simtarget.Action{Command: &simtarget.CommandRule{HoldResponse: true,
			Times: simtarget.Times{Next: rapid.IntRange(1, 3).Draw(t, "held")}}})}
	case 7: // What is sent back hangs, and then the connection breaks.
		hangs := faults.Fault{Verb: faults.Silence, Dir: faults.ToInitiator, Scope: cut.Scope, At: at, For: 9 * time.Second}
		return composition{faults: []faults.Fault{hangs, cut}}
	case 8: // It breaks, and once more while the session comes back or has just done so.
		again := faults.Fault{Verb: cut.Verb, Scope: cut.Scope, At: soon, PDU: rapid.SampledFrom([]string{"login-request", "login-response", "scsi-command", "scsi-response"}).Draw(t, "then")}
		again.Nth = rapid.SampledFrom([]int{0, 2, 3, 6, 9}).Draw(t, "nth")
		again.Byte = place(t)
		return composition{faults: []faults.Fault{cut, again}}
	case 9: // Two at nearly one instant.
		first, second := d.fault(t, at), d.fault(t, soon)
		return composition{faults: []faults.Fault{first, second}}
	}
	return composition{faults: []faults.Fault{d.fault(t, at)}}
}

// scope is one portal, or all.
func (d *drawn) scope(t *rapid.T) (s faults.Scope) {
	if !d.dual {
		return s
	}
	if portal := rapid.SampledFrom([]string{"", "A", "B"}).Draw(t, "portal"); portal != "" {
		s, _ = faults.AtPortal(sessions.PortalAddress(portal)) // it is an address
	}
	return s
}

// fault draws one of the vocabulary.
func (d *drawn) fault(t *rapid.T, at time.Duration) faults.Fault {
	verbs := lawful
	if d.dual {
		verbs = afar
	}
	if d.crcs {
		verbs = append(slices.Clone(verbs), unlawful...)
	}
	f := faults.Fault{Verb: rapid.SampledFrom(verbs).Draw(t, "verb"), Scope: d.scope(t), At: at}
	if must := f.Verb == faults.Corrupt || f.Verb == faults.Truncate || f.Verb == faults.Drop; must || mayBePlaced(f.Verb) && rapid.Bool().Draw(t, "placed") {
		d.place(t, &f)
		return f
	}
	d.shape(t, &f)
	return f
}

func mayBePlaced(v faults.Verb) bool {
	switch v {
	case faults.Reset, faults.Fin, faults.Silence, faults.Delay, faults.Split, faults.Coalesce:
		return true
	}
	return false
}

// conditions are what placed faults look for in PDUs, by name.
var conditions = map[string][]faults.Predicate{
	"scsi-command":    {"write", "read", "!write", "final", "length=0", "length>=512", "transfer>512", "cdb=0x2a&lun=0"},
	"scsi-response":   {"status=0x0", "length=0", "residual=0"},
	"data-in":         {"final", "status-present", "length>=512", "datasn=0&offset=0"},
	"data-out":        {"final", "length>=512", "datasn=0"},
	"r2t":             {"r2tsn=0", "transfer>=512", "offset=0"},
	"login-request":   {"transit", "csg=1&nsg=3", "tsih=0", "key.HeaderDigest"},
	"login-response":  {"transit", "status=0x0", "csg=1"},
	"nop-out":         {"length=0", "final"},
	"nop-in":          {"length=0", "final"},
	"logout-request":  {"reason=0"},
	"logout-response": {"response=0"},
}

// place is where in a PDU a connection breaks.
func place(t *rapid.T) faults.Position {
	return rapid.SampledFrom([]faults.Position{{}, {Offset: 20}, {Offset: 48}, {Region: faults.FromData, Offset: 1}, {Region: faults.AtEnd}}).Draw(t, "byte")
}

// place puts a fault at a PDU that is sent from its instant on.
func (d *drawn) place(t *rapid.T, f *faults.Fault) {
	names := slices.Clone(wounded)
	if d.sends {
		names = append(names, "data-out")
	}
	if d.asks {
		names = append(names, "r2t")
	}
	if f.Verb != faults.Corrupt && f.Verb != faults.Truncate && f.Verb != faults.Drop {
		names = append(names, others...)
	}
	f.PDU = rapid.SampledFrom(names).Draw(t, "pdu")
	f.Nth = rapid.SampledFrom([]int{0, 0, 0, 2, 3}).Draw(t, "nth") // 0 is the first
	switch rapid.IntRange(0, 7).Draw(t, "which") {
	case 5:
		f.Each, f.Times = rapid.IntRange(1, 3).Draw(t, "each"), rapid.IntRange(2, 3).Draw(t, "times")
	case 6:
		f.Chance, f.Times = 0.3, 5
	}
	if rapid.IntRange(0, 3).Draw(t, "conditional") == 3 {
		f.If = rapid.SampledFrom(conditions[f.PDU]).Draw(t, "if")
	}
	at := place(t)
	switch f.Verb {
	case faults.Reset, faults.Fin:
		f.Byte = at
	case faults.Silence:
		f.Byte, f.For = at, lasting(t)
	case faults.Truncate:
		f.Byte = faults.Position{Offset: rapid.IntRange(0, 47).Draw(t, "offset")}
	case faults.Corrupt:
		f.Byte = faults.Position{Offset: rapid.IntRange(0, 100).Draw(t, "offset")}
		f.Mask = 1 << rapid.IntRange(0, 7).Draw(t, "bit")
	case faults.Delay, faults.Coalesce:
		f.By = time.Duration(rapid.IntRange(1, 3000).Draw(t, "by")) * time.Millisecond
	case faults.Split:
		f.Byte, f.By = faults.Position{Offset: 20}, 100*time.Millisecond
	}
}

// shape draws what a timed fault needs.
func (d *drawn) shape(t *rapid.T, f *faults.Fault) {
	switch f.Verb {
	case faults.Reset, faults.Fin:
		if rapid.IntRange(0, 3).Draw(t, "again") == 3 {
			f.Every, f.Times = time.Duration(rapid.IntRange(1, 6).Draw(t, "every"))*time.Second, 3
		}
		return
	case faults.Silence:
		f.Dir = rapid.SampledFrom([]faults.Direction{faults.Both, faults.ToInitiator, faults.ToTarget}).Draw(t, "dir")
	case faults.Move:
		from, to := "A", "B"
		if rapid.Bool().Draw(t, "back") {
			from, to = to, from
		}
		f.Scope, _ = faults.AtPortal(sessions.PortalAddress(from)) // they are addresses
		f.To = netip.MustParseAddrPort(sessions.PortalAddress(to))
	case faults.Stall:
		f.After = rapid.IntRange(0, 1000).Draw(t, "after")
	case faults.Delay, faults.Jitter:
		f.By = time.Duration(rapid.IntRange(1, 3000).Draw(t, "by")) * time.Millisecond
	case faults.Coalesce:
		f.By = 10 * time.Millisecond
	case faults.Throttle:
		f.Rate = rapid.IntRange(100, 20000).Draw(t, "rate")
	case faults.Split:
		f.Size = rapid.IntRange(1, 100).Draw(t, "size")
	}
	f.For = lasting(t)
	if rapid.IntRange(0, 4).Draw(t, "again") == 4 {
		f.Every, f.Times = f.For+time.Duration(rapid.IntRange(0, 30).Draw(t, "pause"))*100*time.Millisecond, rapid.IntRange(2, 3).Draw(t, "times")
	}
}

// lasting is how long a fault is in force.
func lasting(t *rapid.T) time.Duration {
	return rapid.SampledFrom([]time.Duration{500 * time.Millisecond, 2 * time.Second, 5 * time.Second, 9 * time.Second}).Draw(t, "for")
}
