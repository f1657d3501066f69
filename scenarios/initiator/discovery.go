package initiator

import (
	"fmt"
	"strings"
	"time"

	ini "github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// discoveryChecks are those of the group discovery, but for the rows about the records.
func discoveryChecks() []Check {
	return []Check{
		{ID: "discovery.login-shape", Driver: aboveLevelZero, Run: discoveryLogin},
		{ID: "discovery.sendtargets-request", Run: sendTargetsRequest},
		{ID: "discovery.continuation", Run: continuedRecords},
		{ID: "discovery.ttt-ignored-when-final", Run: tagWhenFinal},
		{ID: "discovery.f0-reserved-ttt", Run: reservedTagWhenNotFinal},
		{ID: "discovery.foreign-keys", Run: foreignKeys},
		{ID: "discovery.large", Run: manyTargets},
		{ID: "discovery.ends-cleanly", Run: discoveryEnds},
		{ID: "discovery.severed", Run: severedDiscovery},
		{ID: "discovery.mrdsl-own-limit", Run: fullSegment},
		{ID: "discovery.erl-zero", Driver: aboveLevelZero, Run: levelZero},
		{ID: "discovery.no-vendor-keys", Driver: func(s *Settings) { s.Offer("X-com.example.vendor", "1") }, Run: noVendorKeys},
		{ID: "discovery.sendtargets-not-in-login", Run: sendTargetsAfterLogin},
	}
}

// aboveLevelZero makes data sessions offer a recovery level, which discovery sessions must not take over.
func aboveLevelZero(s *Settings) { s.Offer(text.KeyErrorRecoveryLevel, "2") }

// startDiscovery starts the login of a discovery session.
func (t *T) startDiscovery() *Pending { return t.Start(Login{Kind: ini.Discovery, NoTarget: true}) }

// discoverySession brings a discovery session to full feature phase.
func (t *T) discoverySession() *Conn {
	op := t.startDiscovery()
	c := t.Accept()
	if !c.Login() {
		t.Unclear("The login did not reach full feature phase.")
	}
	if t.Own() {
		t.endsWell(op)
	}
	return c
}

// discovering brings a discovery session up and waits for its first Text Request.
func (t *T) discovering() (c *Conn, op *Pending, r *pdu.TextRequest, e probe.Event) {
	c = t.discoverySession()
	if t.Own() {
		op = t.Start(Discover{})
	}
	r, e = c.TextRequest()
	return c, op, r, e
}

// record is a record of SendTargets: a name and its addresses.
func record(name string, addresses ...string) text.Pairs {
	pairs := text.Pairs{{Key: text.KeyTargetName, Value: name}}
	for _, a := range addresses {
		pairs.Add(text.KeyTargetAddress, a)
	}
	return pairs
}

// table is what discovery told, one line a target, each address with port and tag.
func table(targets []ini.DiscoveredTarget) string {
	var b strings.Builder
	for _, target := range targets {
		b.WriteString(target.Name)
		for _, a := range target.Addresses {
			fmt.Fprintf(&b, " %s", a.HostPort())
			if a.HasTag {
				fmt.Fprintf(&b, ",%d", a.Tag)
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// found fails unless the discovery succeeded and told exactly these lines.
func (t *T) found(op *Pending, lines ...string) {
	if op == nil {
		t.Wait(time.Second)
		return
	}
	t.endsWell(op)
	want := strings.Join(lines, "\n") + "\n"
	if len(lines) == 0 {
		want = ""
	}
	if got := table(op.result.Targets); got != want {
		t.Fail(fmt.Sprintf("targets %q", got), fmt.Sprintf("targets %q", want))
	}
}

const (
	nameA = "iqn.2001-04.test:a"
	nameB = "iqn.2001-04.test:b"
	nameC = "iqn.2001-04.test:c"
	nameD = "iqn.2001-04.test:d"
)

func discoveryLogin(t *T) {
	op := t.startDiscovery()
	c := t.Accept()
	s := c.LoginStep()
	kind, _ := s.Keys.Get(text.KeySessionType)
	t.Equal("SessionType", kind, text.Discovery)
	if _, named := s.Keys.Get(text.KeyInitiatorName); !named {
		t.Fail(s.Event, "InitiatorName in the first request")
	}
	if method, offered := s.Keys.Get(text.KeyAuthMethod); t.Own() && s.Request.CSG == pdu.StageSecurity && (!offered || method != "None") {
		t.Fail("AuthMethod="+method, "AuthMethod=None, as it is configured")
	}
	for {
		t.Equal("TSIH", s.Request.TSIH, 0)
		if level, offered := s.Keys.Get(text.KeyErrorRecoveryLevel); offered && level != "0" {
			t.Warn("A discovery session has no recovery above level 0.", "ErrorRecoveryLevel="+level, "0, or no offer")
		}
		c.Respond(s)
		if c.full {
			break
		}
		s = c.LoginStep()
	}
	if t.Own() {
		t.endsWell(op)
	}
}

func sendTargetsRequest(t *T) {
	c, op, r, e := t.discovering()
	pairs, err := text.Parse(r.Data)
	switch {
	case err != nil || len(pairs) != 1 || pairs[0].Key != text.KeySendTargets:
		t.Fail(e, "SendTargets as the only key")
	case pairs[0].Value != "All" && pairs[0].Value != "" && !strings.HasPrefix(pairs[0].Value, "iqn."):
		t.Fail(pairs[0], "All, a target's name, or an empty value")
	case !r.Final || r.Continue:
		t.Fail(e, "F=1 and C=0")
	case r.TTT != pdu.ReservedTag:
		t.Fail(e, "TTT 0xffffffff")
	case r.ITT == pdu.ReservedTag:
		t.Fail(e, "an Initiator Task Tag of its own")
	case !r.Immediate && r.CmdSN+1 != c.Session.ExpCmdSN:
		t.Fail(e, "the CmdSN of the login")
	}
	c.Text(r, record(nameA, "192.0.2.7:3261,1"))
	t.found(op, nameA+" 192.0.2.7:3261,1")
}

// cut cuts a text into n parts of about the same length.
func cut(data []byte, n int) (parts [][]byte) {
	for i := range n {
		parts = append(parts, data[len(data)*i/n:len(data)*(i+1)/n])
	}
	return parts
}

func continuedRecords(t *T) {
	var records text.Pairs
	var lines []string
	for i, name := range []string{nameA, nameB, nameC, nameD} {
		records = append(records, record(name, fmt.Sprintf("192.0.2.%d:3260,1", i+1))...)
		lines = append(lines, fmt.Sprintf("%s 192.0.2.%d:3260,1", name, i+1))
	}
	data := records.Append(nil)
	quarter := len(data) / 4
	run := func(parts [][]byte, partial bool) {
		c, op, r, _ := t.discovering()
		first := r
		for i, part := range parts {
			last := i == len(parts)-1
			p := &pdu.TextResponse{ITT: first.ITT, TTT: 0x42 + uint32(i), LUN: 0x0001 << 48, Data: part, Continue: partial && !last, Final: last}
			if last {
				p.TTT, p.LUN = pdu.ReservedTag, 0
			}
			send(c, p, nil)
			if last {
				break
			}
			next, e := c.Continued(first, p.TTT)
			if len(next.Data) > 0 || next.LUN != p.LUN {
				t.Fail(e, fmt.Sprintf("an empty Text Request with LUN 0x%016x", p.LUN))
			}
		}
		t.found(op, lines...)
	}
	t.Part("records whole", func() { run(cut(data, 4), false) })
	t.Part("cut inside keys with C=1", func() {
		run([][]byte{data[:5], data[5 : quarter+3], data[quarter+3 : 2*quarter+7], data[2*quarter+7:]}, true)
	})
}

func tagWhenFinal(t *T) {
	c, op, r, _ := t.discovering()
	c.Text(r, record(nameA, "192.0.2.7:3261,1"), func(p *pdu.TextResponse) { p.TTT = 0x42 })
	if e := c.TryNext(5*time.Second, pdu.OpTextRequest); e.Kind == probe.Arrived {
		t.Fail(e, "no further Text Request")
	}
	t.found(op, nameA+" 192.0.2.7:3261,1")
}

func reservedTagWhenNotFinal(t *T) {
	c, op, r, _ := t.discovering()
	reserved := func(p *pdu.TextResponse) { p.Final = false }
	c.Text(r, record(nameA, "192.0.2.7:3261,1"), reserved)
	for again := 0; ; again++ {
		e := c.TryNext(60*time.Second, pdu.OpTextRequest, pdu.OpLogoutRequest)
		next, is := probe.As[*pdu.TextRequest](e)
		switch {
		case is && again > 0:
			t.Fail(e, "the end of the connection")
		case is:
			c.Text(next, record(nameA, "192.0.2.7:3261,1"), reserved)
			continue
		case e.Kind != probe.Arrived && !e.Ended() && op != nil && !op.Ended():
			t.Fail(e, "the end of the connection")
		case e.Kind != probe.Arrived && !e.Ended():
			t.Warn("The answer is taken as complete.", e, "the end of the connection")
		}
		return
	}
}

func foreignKeys(t *T) {
	for _, pair := range []text.Pair{{Key: text.KeyMaxRecvDataSegmentLength, Value: "512"}, {Key: text.KeyTargetAlias, Value: "disks"},
		{Key: "X-com.example.t", Value: "1"}} {
		t.Part(pair.Key, func() {
			c, op, r, _ := t.discovering()
			c.Text(r, append(record(nameA, "192.0.2.7:3261,1"), pair))
			if op == nil {
				t.Wait(5 * time.Second)
				return
			}
			if result := op.Wait(); !result.Good() {
				t.RClose(c)
				return
			}
			t.found(op, nameA+" 192.0.2.7:3261,1")
			for _, s := range t.ListSessions() {
				if got := s.Params.PeerMaxRecvDataSegmentLength; got != t.Base.Params.MaxRecvDataSegmentLength {
					t.Fail(fmt.Sprintf("a limit of %d bytes", got), "the parameters of the login")
				}
			}
		})
	}
}

// targetsOfLarge are the targets of the row discovery.large.
const targetsOfLarge = 5000

func manyTargets(t *T) {
	t.Part("5000 targets", func() {
		var data []byte
		for i := range targetsOfLarge {
			data = record(fmt.Sprintf("iqn.2001-04.test:t%05d", i), "192.0.2.7:3260,1").Append(data)
		}
		c, op, r, _ := t.discovering()
		first := r
		for ; len(data) > 8192; data = data[8192:] {
			p := send(c, &pdu.TextResponse{ITT: first.ITT, TTT: c.Tag(), Continue: true, Data: data[:8192]}, nil)
			c.Continued(first, p.TTT)
		}
		send(c, &pdu.TextResponse{ITT: first.ITT, TTT: pdu.ReservedTag, Final: true, Data: data}, nil)
		if op == nil {
			t.Wait(5 * time.Second)
			return
		}
		t.endsWell(op)
		t.Equal("number of targets", len(op.result.Targets), targetsOfLarge)
	})
	t.Part("without end", func() {
		c, op, r, _ := t.discovering()
		began := time.Now()
		for i := 0; time.Since(began) < 120*time.Second; i++ {
			var pairs text.Pairs
			for k := range 100 {
				pairs = append(pairs, record(fmt.Sprintf("iqn.2001-04.test:t%d-%d", i, k), "192.0.2.7:3260,1")...)
			}
			send(c, &pdu.TextResponse{ITT: r.ITT, TTT: c.Tag(), Data: pairs.Append(nil)}, nil)
			if e := c.TryNext(120*time.Second, pdu.OpTextRequest); e.Kind != probe.Arrived {
				break
			}
			if i > 1<<16 {
				t.Fail(fmt.Sprintf("%d responses taken", i), "a bound")
			}
		}
		if op != nil && op.Wait().Good() {
			t.Fail("a discovery that succeeds", "an error")
		}
	})
}

func discoveryEnds(t *T) {
	c, op, r, _ := t.discovering()
	c.Text(r, record(nameA, "192.0.2.7:3261,1"))
	t.found(op, nameA+" 192.0.2.7:3261,1")
	logout := func(e probe.Event) {
		p, is := probe.As[*pdu.LogoutRequest](e)
		if !is {
			t.Warn("The connection is ended without a logout.", e, "a Logout Request with reason 0")
			return
		}
		t.Equal("reason of the Logout Request", p.Reason, pdu.LogoutCloseSession)
		c.Logout(p, pdu.LogoutSuccess)
		if e := c.NextRaw(t.scaled(ReactionTime)); !e.Ended() {
			t.Fail(e, "the end of the connection after the Logout Response")
		}
	}
	if e := c.TryNext(30 * time.Second); e.Kind == probe.Arrived || e.Ended() {
		logout(e)
		return
	}
	ttt := c.Tag()
	c.NOPIn(ttt)
	e := c.TryNext(t.scaled(ReactionTime), pdu.OpNOPOut)
	answer, is := probe.As[*pdu.NOPOut](e)
	if !is || answer.TTT != ttt || answer.ITT != pdu.ReservedTag {
		t.Fail(e, "an answer to the ping, since the session was kept open")
	}
	if e := c.TryNext(30 * time.Second); e.Kind == probe.Arrived {
		t.Fail(e, "nothing")
	}
	if t.Own() {
		t.Start(Logout{})
		logout(c.TryNext(AnswerTime, pdu.OpLogoutRequest))
	}
}

func severedDiscovery(t *T) {
	c, op, r, _ := t.discovering()
	ttt := c.More(r, append(record(nameA, "192.0.2.1,1"), record(nameB, "192.0.2.2,1")...))
	c.Continued(r, ttt)
	c.Sever()
	if op == nil {
		t.Wait(5 * time.Second)
		return
	}
	if result := op.Wait(); result.Good() {
		t.Fail(fmt.Sprintf("targets %q as a success", table(result.Targets)), "an error, or a complete repetition")
	}
}

func fullSegment(t *T) {
	c, op, r, _ := t.discovering()
	limit := min(c.Params.PeerMaxRecvDataSegmentLength, 1<<20)
	var data []byte
	var lines []string
	for i := 0; len(data) < limit; i++ {
		name := fmt.Sprintf("iqn.2001-04.test:t%06d", i)
		one := record(name).Append(nil)
		if rest := limit - len(data) - len(one); rest < len(one) {
			name += strings.Repeat("x", rest) // the last one fills the segment
			one = record(name).Append(nil)
		}
		data = append(data, one...)
		lines = append(lines, name+" "+t.Portal("A").HostPort())
	}
	t.Equal("length of the text", len(data), limit)
	send(c, &pdu.TextResponse{ITT: r.ITT, TTT: pdu.ReservedTag, Final: true, Data: data}, nil)
	t.found(op, lines...)
}

func levelZero(t *T) {
	op := t.startDiscovery()
	c := t.Accept()
	asked, answer := false, ""
	for !c.full {
		s := c.LoginStep()
		level, told := s.Keys.Get(text.KeyErrorRecoveryLevel)
		switch {
		case told && asked:
			answer = level
			s.Drop(text.KeyErrorRecoveryLevel) // An answer needs none.
		case told && level != "0":
			t.Warn("A discovery session has no recovery above level 0.", "an offer of "+level, "0, or no offer")
			answer = "0"
			asked = true
		case told:
			t.Skip("NOT-TESTABLE: the initiator offers ErrorRecoveryLevel=0 itself.")
		case !asked && s.Request.CSG == pdu.StageOperational:
			asked = true
			s.Set(text.KeyErrorRecoveryLevel, "2")
			s.Response.Transit, s.Response.NSG, s.Response.TSIH = false, 0, s.Request.TSIH
		}
		c.Respond(s)
	}
	switch {
	case answer == text.Irrelevant || answer == text.Reject:
		t.Warn("The level is not answered with 0.", "ErrorRecoveryLevel="+answer, "ErrorRecoveryLevel=0")
	case answer != "0":
		t.Fail("ErrorRecoveryLevel="+answer, "ErrorRecoveryLevel=0")
	}
	if !t.Own() {
		return
	}
	t.endsWell(op)
	if targets := t.Good(Discover{}).Targets; len(targets) != 1 {
		t.Fail(fmt.Sprintf("targets %q", table(targets)), "the target of the array")
	}
}

func noVendorKeys(t *T) {
	op := t.startDiscovery()
	c := t.Accept()
	look := func(pairs text.Pairs) {
		for _, p := range pairs {
			if strings.HasPrefix(p.Key, "X-") && p.Value != text.NotUnderstood {
				t.Fail(p, "no private key in a discovery session")
			}
		}
	}
	c.Login(func(s *Step) { look(s.Keys) })
	if !t.Own() {
		return
	}
	t.endsWell(op)
	discover := t.Start(Discover{})
	r, e := c.TextRequest()
	pairs, err := text.Parse(r.Data)
	t.Check(err == nil, e, "key=value text")
	look(pairs)
	c.Text(r, record(nameA))
	t.endsWell(discover)
}

func sendTargetsAfterLogin(t *T) {
	look := func(s *Step) {
		if _, found := s.Keys.Get(text.KeySendTargets); found {
			t.Fail(s.Event, "no SendTargets in a Login Request")
		}
	}
	t.Part("data session", func() {
		t.Start(Login{})
		c := t.Accept()
		c.Login(look)
	})
	t.Part("discovery session", func() {
		op := t.startDiscovery()
		c := t.Accept()
		for !c.full {
			s := c.LoginStep()
			look(s)
			if s.Response.Transit && s.Response.NSG == pdu.StageFullFeature {
				if e := c.NextRaw(2 * time.Second); e.Kind == probe.Arrived {
					t.Fail(e, "nothing before the final Login Response")
				}
			}
			c.Respond(s)
		}
		if t.Own() {
			t.endsWell(op)
		}
	})
}
