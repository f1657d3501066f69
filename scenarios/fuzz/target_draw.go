package fuzz

import "time"

// DrawTarget draws a flow for a target of a setup. Most of it is what initiators do; somewhere in it, mostly, something is amiss.
func DrawTarget(c Choices, set *Setup) Flow {
	d := drawing{Choices: c, set: set}
	d.calm = c.Choose("calm", 4) == 3
	f := Flow{Role: TargetRole, Setup: set.Name}
	for range 1 + c.Choose("steps", 7) {
		d.act(&f)
	}
	for number := range d.conns {
		if d.conns[number].stage == drawnFull && d.conns[number].idle && c.Choose("health", 3) == 0 {
			f.Steps = append(f.Steps, Step{Conn: number, Verb: VerbCommand})
		}
	}
	return f
}

// drawnStage is where the generator believes a connection to be. It may be wrong: then the step is a hostile one.
type drawnStage byte

const (
	drawnFresh drawnStage = iota
	drawnSecurity
	drawnAgreed
	drawnChallenged
	drawnOperational
	drawnFull
	drawnOver
)

// drawing is a flow being drawn.
type drawing struct {
	Choices
	set   *Setup
	conns [ConnsMax + 1]struct {
		stage drawnStage
		idle  bool // no command was sent since the login
		isid  byte // of its first login
	}
	used int
	// calm leaves out of logins what is mostly refused, so that flows come to the states that are far from the beginning.
	calm bool
}

// act draws the next step or steps of some connection.
func (d *drawing) act(f *Flow) {
	number := d.used + 1
	if d.used > 0 && (d.used == ConnsMax-2 || d.Choose("which", 5) < 3) {
		number = d.used - d.Choose("older", d.used)
		if d.conns[number].stage == drawnOver {
			number = min(d.used+1, ConnsMax)
		}
	}
	d.used = max(d.used, number)
	s := Step{Conn: number}
	at := &d.conns[number]
	switch at.stage {
	case drawnFresh:
		d.begin(f, &s)
	case drawnFull:
		d.fullFeature(&s)
	default:
		d.goOn(&s)
	}
	if d.Choose("cut", 24) == 23 {
		s.Cut = Cut{pick(d, "end", EndClose, EndReset, EndSilence), d.Choose("at", 400)}
		at.stage = drawnOver
	}
	f.Steps = append(f.Steps, s)
	for n := 0; n < 3 && (at.stage == drawnAgreed || at.stage == drawnChallenged) && d.Choose("dialogue", 6) != 5; n++ {
		next := Step{Conn: number}
		d.goOn(&next)
		f.Steps = append(f.Steps, next)
	}
}

// begin draws the first step of a connection.
func (d *drawing) begin(f *Flow, s *Step) {
	at := &d.conns[s.Conn]
	switch n := d.Choose("begin", 24); {
	case n < 10:
		s.Verb, at.stage, at.idle = VerbWalk, drawnFull, true
		s.CSG = byte(1 - d.Choose("csg", 2))
		d.identity(s)
		d.who(s, false)
		d.keys(s, s.CSG == 1)
	case n < 22:
		s.Verb = VerbLogin
		d.identity(s)
		d.first(s)
	case n == 22:
		s.Verb, at.stage = pick(d, "early", VerbPing, VerbCommand, VerbText, VerbLogout), drawnOver
	default:
		s.Verb, at.stage = pick(d, "end", VerbClose, VerbReset, VerbHush), drawnOver
	}
}

// identity draws whose login it is: initiator port, session handle, connection. A handle mostly comes with the port of its session, and without one the
// port of an older session often comes again, since chance alone seldom adds to a session or takes its place.
func (d *drawing) identity(s *Step) {
	s.ISID = [...]byte{0, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7}[d.Choose("isid", 12)]
	defer func() { d.conns[s.Conn].isid = s.ISID }()
	if s.Conn == 1 {
		if d.Choose("tsih", 24) == 23 {
			s.TSIH = "wrong"
		}
		return
	}
	older := s.Conn - 1 - d.Choose("of", s.Conn-1)
	same := d.Choose("port", 4)
	switch n := d.Choose("tsih", 10); {
	case n < 5:
		if same == 3 {
			s.ISID = d.conns[older].isid
		}
	case n < 9:
		s.TSIH = "c" + string(rune('0'+older))
		if same > 0 {
			s.ISID = d.conns[older].isid
		}
	default:
		s.TSIH = "wrong"
	}
	if s.TSIH != "" && d.Choose("cid", 3) == 2 {
		s.CID = ^uint16(d.Choose("same", s.Conn-1)) // that of an older connection
	}
}

// who draws the names. explicit says that names which are the plain ones are said too.
func (d *drawing) who(s *Step, explicit bool) {
	for _, k := range []int{kInitiatorName, kSessionType, kTargetName} {
		switch n := d.Choose("name", 24); {
		case n < 19 || d.calm:
			if explicit {
				s.Pairs = append(s.Pairs, Pair{Key: keys[k].name, Value: valuesOf[k][Legal][0]})
			}
		case n < 22:
			s.Pairs = append(s.Pairs, Pair{Key: keys[k].name, Value: d.value(k)})
		case explicit && n == 22:
			continue
		default:
			v := valuesOf[k][Legal]
			s.Pairs = append(s.Pairs, Pair{Key: keys[k].name, Value: v[d.Choose("legal", len(v))]})
		}
	}
}

// value draws a value of a key, of some class.
func (d *drawing) value(k int) string {
	class := [...]Class{Legal, Legal, Legal, Legal, Legal, Boundary, Boundary, Illegal, Illegal, Malformed}[d.Choose("class", 10)]
	values := valuesOf[k][class]
	if len(values) == 0 {
		values = valuesOf[k][Legal]
	}
	return values[d.Choose("value", len(values))]
}

// keys draws further keys. In the security stage few come.
func (d *drawing) keys(s *Step, operationalStage bool) {
	if d.calm {
		return
	}
	n := 0
	switch d.Choose("keys", 4) {
	case 1:
		n = 1
	case 2:
		n = 2 + d.Choose("some", 3)
	case 3:
		if operationalStage {
			n = d.Choose("many", 12)
		}
	}
	for range n {
		k := kHeaderDigest + d.Choose("key", keyCount-kHeaderDigest)
		if !operationalStage && d.Choose("any", 4) != 3 {
			k = pick(d, "security", kAuthMethod, kInitiatorAlias)
		} else if d.Choose("security", 40) == 39 {
			k = kInitiatorAlias + d.Choose("which", kHeaderDigest-kInitiatorAlias)
		}
		if k == kUnknown {
			s.Pairs = append(s.Pairs, Pair{Key: d.value(k), Value: "1"})
			continue
		}
		if named(s.Pairs, keys[k].name) && d.Choose("again", 6) != 5 {
			continue
		}
		s.Pairs = append(s.Pairs, Pair{Key: keys[k].name, Value: d.value(k)})
	}
	switch d.Choose("text", 40) {
	case 37:
		s.Pairs = append(s.Pairs, Pair{Key: "GarbageNoEquals", Bare: true})
	case 38:
		for i := range 40 + d.Choose("long", 79) {
			s.Pairs = append(s.Pairs, Pair{Key: "X-long-" + string(rune('a'+i%26)) + string(rune('a'+i/26)) + "{k*53}", Value: "1"})
		}
	case 39:
		if len(s.Pairs) > 1 {
			i, j := d.Choose("swap", len(s.Pairs)), d.Choose("with", len(s.Pairs))
			s.Pairs[i], s.Pairs[j] = s.Pairs[j], s.Pairs[i]
		}
	}
}

// first draws the first Login Request of a connection.
func (d *drawing) first(s *Step) {
	at := &d.conns[s.Conn]
	s.CSG = byte(1 - d.Choose("csg", 2))
	if d.set.auth != open && d.Choose("secure", 4) != 3 {
		s.CSG = 0
	}
	d.who(s, true)
	at.stage = drawnOperational
	if s.CSG == 0 {
		at.stage = drawnSecurity
		d.method(s)
	}
	d.keys(s, s.CSG == 1)
	d.transit(s)
	d.amiss(s)
}

// method draws AuthMethod.
func (d *drawing) method(s *Step) {
	if d.Choose("method", 8) == 7 {
		return
	}
	value := "None"
	if d.set.auth != open {
		value = "CHAP"
	}
	if d.Choose("other", 5) == 4 && !d.calm {
		value = d.value(kAuthMethod)
	}
	s.Pairs = append(s.Pairs, Pair{Key: "AuthMethod", Value: value})
	if value != "None" {
		d.conns[s.Conn].stage = drawnAgreed
	}
}

// transit draws the T bit, and follows it.
func (d *drawing) transit(s *Step) {
	at := &d.conns[s.Conn]
	if at.stage == drawnAgreed || d.Choose("T", 3) == 2 {
		if at.stage != drawnAgreed || d.Choose("early", 8) != 7 {
			return
		}
	}
	s.Transit, s.NSG = true, 3
	if s.CSG == 0 && d.Choose("nsg", 3) != 2 {
		s.NSG = 1
	}
	switch {
	case at.stage == drawnAgreed:
	case s.NSG == 3:
		at.stage, at.idle = drawnFull, true
	default:
		at.stage = drawnOperational
	}
}

// amiss puts something wrong into a header or around a text, mostly nothing.
func (d *drawing) amiss(s *Step) {
	if d.calm {
		return
	}
	switch d.Choose("amiss", 60) {
	case 40:
		s.NSG = byte(d.Choose("nsg", 4))
	case 41:
		s.CSG = byte(d.Choose("csg", 4))
	case 42:
		s.Transit = !s.Transit
	case 43, 44:
		s.Continue, s.Transit, s.NSG = true, false, 0
	case 45:
		s.Continue = true
	case 46:
		s.VersionMax = pick(d, "vmax", byte(1), 255)
	case 47:
		s.VersionMax, s.VersionMin = pick(d, "vmax", byte(10), 0, 255), pick(d, "vmin", byte(5), 1)
	case 48:
		s.ITT = 1
	case 49:
		s.CmdSN = pick[uint32](d, "cmdsn", 1, 0xffffffff, 0x7fffffff, 0x80000000)
	case 50:
		s.ExpStatSN = pick[uint32](d, "expstatsn", 1, 0xffffffff, 1000)
	case 51:
		s.CID = pick[uint16](d, "cid", 0xffff, 0x8000, 1)
	case 52, 53:
		s.Form = pick(d, "form", FormMoreNULs, FormNoLastNUL, FormHalf)
	case 54:
		s.TSIH = pick(d, "tsih", "wrong", "c1", "zero")
	case 55:
		s.ISID = byte(d.Choose("isid", 8))
	case 56:
		s.Continue, s.Form, s.Transit, s.NSG = true, FormHalf, false, 0
	}
}

// goOn draws a step of a connection that is in its login.
func (d *drawing) goOn(s *Step) {
	at := &d.conns[s.Conn]
	n := d.Choose("on", 16)
	if at.stage == drawnAgreed || at.stage == drawnChallenged {
		n = [...]int{4, 5, 6, 7, 8, 9, 10, 11, 12, 4, 5, 6, 7, 0, 14, 15}[n]
	}
	switch {
	case n < 4:
		s.Verb, at.stage, at.idle = VerbWalk, drawnFull, true
		return
	case n == 15:
		s.Verb, at.stage = pick(d, "early", VerbPing, VerbCommand, VerbText, VerbLogout), drawnOver
		return
	case n == 14:
		s.Verb, at.stage = pick(d, "end", VerbClose, VerbReset, VerbHush), drawnOver
		return
	case n == 13 && at.stage == drawnOperational && d.Choose("long", 4) == 3:
		s.Verb, s.For = VerbWait, pick(d, "for", time.Second, 10*time.Second, 3*time.Minute)
		return
	}
	s.Verb = VerbLogin
	if at.stage == drawnOperational {
		s.CSG = 1
	}
	switch at.stage {
	case drawnAgreed:
		d.algorithms(s)
	case drawnChallenged:
		d.response(s)
	default:
		d.keys(s, s.CSG == 1)
	}
	if d.Choose("names", 30) == 29 {
		d.who(s, true)
	}
	if at.stage != drawnChallenged || len(s.Pairs) > 0 && s.Pairs[0].Key != "CHAP_A" {
		d.transit(s)
	}
	d.amiss(s)
}

// algorithms draws CHAP_A, or something else at its time.
func (d *drawing) algorithms(s *Step) {
	at := &d.conns[s.Conn]
	switch n := d.Choose("chap", 12); {
	case n < 9:
		s.Pairs = append(s.Pairs, Pair{Key: "CHAP_A", Value: d.value(kCHAPA)})
		at.stage = drawnChallenged
	case n == 9:
		d.response(s)
	case n == 10:
		s.Pairs = append(s.Pairs, Pair{Key: "CHAP_A", Value: "5"}, Pair{Key: "CHAP_A", Value: "7"})
	default:
		d.method(s)
	}
}

// response draws CHAP_N and CHAP_R, and sometimes the challenge back.
func (d *drawing) response(s *Step) {
	at := &d.conns[s.Conn]
	name, response := "{user}", "{chap.r}"
	if d.Choose("right", 5) > 2 {
		response = d.value(kCHAPR)
	}
	if d.Choose("name", 10) == 9 {
		name = d.value(kCHAPN)
	}
	if d.calm {
		name, response = "{user}", "{chap.r}"
	}
	s.Pairs = append(s.Pairs, Pair{Key: "CHAP_N", Value: name}, Pair{Key: "CHAP_R", Value: response})
	if d.Choose("mutual", 3) == 2 {
		s.Pairs = append(s.Pairs, Pair{Key: "CHAP_I", Value: d.value(kCHAPI)}, Pair{Key: "CHAP_C", Value: d.value(kCHAPC)})
	}
	order := d.Choose("order", 20)
	if d.calm {
		order = 0
	}
	switch order {
	case 16:
		s.Pairs = append(s.Pairs, Pair{Key: "CHAP_R", Value: "{chap.r}"})
	case 17:
		s.Pairs = append(s.Pairs, s.Pairs[d.Choose("twice", len(s.Pairs))])
	case 18:
		s.Pairs = append(s.Pairs, Pair{Key: "CHAP_I", Value: "77"})
	case 19:
		s.Pairs = append(s.Pairs, Pair{Key: "CHAP_C", Value: "{bytes:16}"})
	case 13:
		s.Pairs = s.Pairs[1:]
	case 14:
		s.Pairs = s.Pairs[:len(s.Pairs)-1]
	case 15:
		s.Pairs[0], s.Pairs[1] = s.Pairs[1], s.Pairs[0]
	}
	at.stage = drawnSecurity
}

// fullFeature draws a step of a connection that is in full feature phase.
func (d *drawing) fullFeature(s *Step) {
	at := &d.conns[s.Conn]
	switch n := d.Choose("full", 16); {
	case n < 5:
		s.Verb, at.idle = VerbCommand, false
	case n < 6:
		s.Verb = VerbPing
	case n < 7:
		s.Verb = VerbText
	case n < 10:
		s.Verb, s.Reason, at.stage = VerbLogout, [...]byte{0, 0, 1, 1, 2}[d.Choose("reason", 5)], drawnOver
	case n < 11:
		s.Verb, s.CSG, s.Transit, s.NSG = VerbLogin, 1, true, 3
		d.keys(s, true)
	case n < 12:
		s.Verb, s.For = VerbWait, pick(d, "for", time.Second, 25*time.Second)
	case n < 14:
		s.Verb, at.stage = pick(d, "end", VerbClose, VerbReset, VerbHush), drawnOver
	default:
		s.Verb, at.stage = VerbWalk, drawnFull
	}
}
