package simtarget

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scsi"
)

func TestActionsThatAreNotLawful(t *testing.T) {
	inBubble(t, "plain", nil, nil, func(b *bench) {
		for _, act := range []Action{
			{}, {Clear: &Clear{}, Ping: &Ping{}}, {Window: &Window{Size: 4000}}, {Portal: &PortalState{Name: "Z"}},
			{LUN: &LUNChange{Target: "iqn.2026-01.io.iscsispec:absent"}}, {LUN: &LUNChange{Number: 9, Serial: "x"}},
			{LUN: &LUNChange{Add: []LUN{{Number: 1, Size: 100}}}},
		} {
			err := b.array.Apply(Action{Clear: &Clear{}}, act)
			var e *ActionError
			if !errors.As(err, &e) || e.Index != 1 {
				t.Errorf("%+v: %v", act, err)
			}
		}
		b.array.Close()
		if err := b.array.Apply(Action{Clear: &Clear{}}); !errors.Is(err, ErrClosed) {
			t.Errorf("a closed array: %v", err)
		}
	})
}

func TestLoginRulesByStatusAndCount(t *testing.T) {
	inBubble(t, "plain", nil, nil, func(b *bench) {
		b.apply(Action{Login: &LoginRule{Times: Times{Skip: 1, Next: 2}, Status: 0x0301}}, Action{Login: &LoginRule{Status: 0x0302}})
		var got []string
		for range 5 {
			got = append(got, iscsi.Status(b.dial("A").tryLogin().Status()).String()[:6])
		}
		if diff := cmp.Diff([]string{"0x0302", "0x0301", "0x0301", "0x0000", "0x0000"}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestLoginRulesByPlace(t *testing.T) {
	inBubble(t, "multi-portal", nil, nil, func(b *bench) {
		b.apply(
			Action{Login: &LoginRule{Times: Times{Next: Always}, Which: Which{Portal: "B"}, Status: 0x0203}},
			Action{Login: &LoginRule{Times: Times{Next: Always}, Which: Which{Kind: "Discovery", Portal: "A"}, Status: 0x0202}},
			Action{Login: &LoginRule{Times: Times{Next: Always}, Which: Which{Portal: "C"}, At: AtConnect, Drop: EndRST}},
		)
		b.dial("A").login()
		if r := b.dial("B").tryLogin(); r.Status() != 0x0203 {
			t.Errorf("portal B: 0x%04x", r.Status())
		}
		p := b.dial("A")
		r := p.ask(pdu.StageOperational, pdu.StageFullFeature, true, text.Pairs{pair("InitiatorName", p.name), pair("SessionType", "Discovery")})
		if r.Status() != 0x0202 {
			t.Errorf("discovery at A: 0x%04x", r.Status())
		}
		if !b.dial("C").closed() {
			t.Error("portal C takes connections")
		}
		b.apply(Action{Clear: &Clear{Login: true}})
		b.dial("B").login()
	})
}

func TestLoginRulesThatDelay(t *testing.T) {
	inBubble(t, "plain", nil, nil, func(b *bench) {
		b.apply(Action{Login: &LoginRule{Delay: 5 * time.Second}})
		began := time.Now()
		b.dial("A").login()
		if d := time.Since(began); d < 5*time.Second || d > 5100*time.Millisecond {
			t.Errorf("login took %v", d)
		}
		b.apply(Action{Login: &LoginRule{Silence: true}})
		p := b.dial("A")
		p.send(p.request(pdu.StageOperational, pdu.StageFullFeature, true, p.names()))
		if !p.silent(10 * time.Second) {
			t.Error("a silenced login is answered")
		}
		b.apply(Action{Login: &LoginRule{HoldTransit: 3}})
		p = b.dial("A")
		p.isid[5]++
		for i := range 4 {
			r := p.ask(pdu.StageOperational, pdu.StageFullFeature, true, p.first(i))
			if r.Transit != (i == 3) || i < 3 && len(r.Data) > 0 {
				t.Errorf("request %d: T=%v, %d bytes", i, r.Transit, len(r.Data))
			}
		}
		if tag, _ := p.answers.Get("TargetPortalGroupTag"); tag != "1" {
			t.Error("the answers that waited are lost")
		}
		p.works()
	})
}

// first gives the names for the first request of a login, and nothing for the others.
func (p *peer) first(i int) text.Pairs {
	if i == 0 {
		return p.names()
	}
	return nil
}

func TestLoginRulesThatRedirect(t *testing.T) {
	inBubble(t, "multi-portal", nil, nil, func(b *bench) {
		for _, c := range []struct {
			at   LoginStep
			to   RedirectAnswer
			want []string
		}{
			{AtFirst, RedirectAnswer{To: []string{"B"}}, []string{"10.0.0.2:3260"}},
			{AtFinal, RedirectAnswer{To: []string{"[::1", "host:99999"}, Transit: true}, []string{"[::1", "host:99999"}},
			{AtOperational, RedirectAnswer{Permanent: true}, nil},
			{AtFirst, RedirectAnswer{To: []string{""}}, []string{""}},
		} {
			b.apply(Action{Login: &LoginRule{At: c.at, Redirect: &c.to}})
			p := b.dial("A")
			p.ask(pdu.StageSecurity, pdu.StageOperational, true, append(p.names(), pair("AuthMethod", "None")))
			for p.lastResp.Status() == 0 {
				p.ask(pdu.StageOperational, pdu.StageFullFeature, true, nil)
			}
			want := iscsi.StatusMovedTemporarily
			if c.to.Permanent {
				want = iscsi.StatusMovedPermanently
			}
			if got := p.answers.Values("TargetAddress"); iscsi.Status(p.lastResp.Status()) != want || !cmp.Equal(got, c.want) || p.lastResp.Transit != c.to.Transit {
				t.Errorf("%+v: 0x%04x T=%v %q", c, p.lastResp.Status(), p.lastResp.Transit, got)
			}
			if !p.closed() || len(b.settled().Sessions()) != 0 {
				t.Error("the connection or the session is left")
			}
		}
	})
}

func TestLoginRulesThatNegotiate(t *testing.T) {
	inBubble(t, "plain", nil, nil, func(b *bench) {
		b.apply(Action{Login: &LoginRule{
			TSIH: new(uint16(0x0202)), At: AtFinal, Keys: []Setting{{"MaxBurstLength", "16384"}, {"DefaultTime2Wait", "10"}},
			Edit: []Setting{{"TargetAddress", "10.9.9.9:3260"}}, Remove: []string{"TargetPortalGroupTag"},
			Patch: []Patch{{Offset: 3, Bytes: []byte{1}}},
		}})
		p := b.dial("A").login(pair("MaxBurstLength", "262144"), pair("DefaultTime2Wait", "2"))
		burst, _ := p.answers.Get("MaxBurstLength")
		wait, _ := p.answers.Get("DefaultTime2Wait")
		address, _ := p.answers.Get("TargetAddress")
		_, tagged := p.answers.Get("TargetPortalGroupTag")
		if p.tsih != 0x0202 || burst != "16384" || wait != "10" || address != "10.9.9.9:3260" || tagged || p.lastResp.VersionActive != 1 {
			t.Errorf("TSIH 0x%04x, %v, version %d", p.tsih, p.answers, p.lastResp.VersionActive)
		}
		b.apply(Action{Login: &LoginRule{UnitAttention: 0x3f0e}})
		p = b.dial("A").login()
		p.send(p.command(scsi.TestUnitReady()))
		if sense, _ := scsi.ParseSense(p.status().Sense()); sense.Code != scsi.LUNsDataChanged {
			t.Errorf("greeted with %v", sense)
		}
	})
}

func TestHeldCommandsAndResponses(t *testing.T) {
	inBubble(t, "plain", nil, nil, func(b *bench) {
		p := b.dial("A").login()
		b.apply(Action{Command: &CommandRule{Times: Times{Next: Always}, Opcodes: []byte{0x28}, Hold: true}})
		var tags []uint32
		for range 4 {
			q := p.reads(0, 1)
			tags = append(tags, q.ITT)
			p.send(q)
		}
		p.works()
		if s := b.settled().Sessions()[0]; s.Held != 4 || s.Open != 4 || s.Executed != 1 {
			t.Errorf("%+v", s)
		}
		b.apply(Action{Release: &Release{Next: 2, Reverse: true}})
		for _, tag := range []uint32{tags[3], tags[2]} {
			p.readAll(tag, 262144)
		}
		b.apply(Action{Release: &Release{}})
		p.readAll(tags[0], 262144)
		p.readAll(tags[1], 262144)
		b.apply(Action{Clear: &Clear{}}, Action{Command: &CommandRule{HoldResponse: true, Opcodes: []byte{0x2a}}})
		w := p.writes(5, 1)
		w.Data = noise(512)
		p.send(w)
		if !p.silent(time.Second) {
			t.Error("a withheld response is sent")
		}
		if got := b.stored(5, 1); !cmp.Equal(got, w.Data) {
			t.Error("a command whose response is withheld was not executed")
		}
		b.apply(Action{Release: &Release{}})
		if r := p.status(); r.ITT != w.ITT || r.Status != 0 {
			t.Errorf("%+v", r)
		}
	})
}

func TestCommandRules(t *testing.T) {
	inBubble(t, "multi-portal", nil, nil, func(b *bench) {
		p := b.dial("A").login()
		five := uint32(5)
		b.apply(
			Action{Command: &CommandRule{LUN: &five, Status: 2, Sense: SenseCode{5, 0x25, 0}}},
			Action{Command: &CommandRule{Status: 8}}, Action{Command: &CommandRule{TargetFailure: true}},
			Action{Command: &CommandRule{Delay: 3 * time.Second}}, Action{Command: &CommandRule{Reject: pdu.RejectProtocolError}},
		)
		p.send(p.command(scsi.TestUnitReady()))
		if r := p.status(); r.Status != 8 {
			t.Errorf("%+v", r)
		}
		q := p.command(scsi.TestUnitReady())
		q.LUN = uint64(scsi.LUNOf(5))
		p.send(q)
		if sense, _ := scsi.ParseSense(p.status().Sense()); sense.Code != scsi.LUNNotSupported {
			t.Errorf("%v", sense)
		}
		p.send(p.command(scsi.TestUnitReady()))
		if r := p.status(); r.Response != pdu.ResponseTargetFailure {
			t.Errorf("%+v", r)
		}
		began := time.Now()
		p.works()
		if d := time.Since(began); d < 3*time.Second || d > 4*time.Second {
			t.Errorf("delayed by %v", d)
		}
		p.send(p.command(scsi.TestUnitReady()))
		p.counts(get[*pdu.Reject](p).StatSN)
		p.cmdSN--
		p.works()
		b.apply(Action{Command: &CommandRule{Silence: true}}, Action{Command: &CommandRule{Drop: EndRST}})
		p.send(p.command(scsi.TestUnitReady()))
		if !p.silent(time.Minute - time.Second) {
			t.Error("a silenced command is answered")
		}
		b.apply(Action{Release: &Release{}})
		p.send(p.command(scsi.TestUnitReady()))
		if !p.closed() {
			t.Error("the connection goes on")
		}
	})
}

func TestAlteredPDUs(t *testing.T) {
	inBubble(t, "plain", nil, nil, func(b *bench) {
		p := b.dial("A").login()
		b.apply(Action{Alter: &AlterRule{Opcode: pdu.OpSCSIResponse, Patch: []Patch{{Offset: 3, Bytes: []byte{0x40}}}, Data: []byte{0, 0}, Repeat: 1}})
		p.send(p.command(scsi.TestUnitReady()))
		for range 2 {
			if r := get[*pdu.SCSIResponse](p); r.Status != 0x40 || len(r.Data) != 2 {
				t.Errorf("%+v", r)
			}
		}
		p.expStat++
		b.apply(Action{Alter: &AlterRule{Opcode: pdu.OpSCSIResponse, Omit: true}})
		p.send(p.command(scsi.TestUnitReady()))
		if !p.silent(time.Second) {
			t.Error("an omitted PDU is sent")
		}
		p.expStat++
		b.apply(Action{Alter: &AlterRule{Opcode: pdu.OpSCSIResponse, Then: EndFIN}})
		p.works()
		if !p.closed() {
			t.Error("the connection goes on")
		}
	})
}

func TestTextAndLogoutRules(t *testing.T) {
	inBubble(t, "plain", nil, nil, func(b *bench) {
		p := b.dial("A").discover()
		b.apply(Action{Text: &TextRule{Replace: []Setting{{"TargetName", "iqn.2026-01.io.iscsispec:invented"}, {"TargetAddress", "10.2.2.2:3260,7"}}, PartLength: 20}})
		want := text.Pairs{pair("TargetName", "iqn.2026-01.io.iscsispec:invented"), pair("TargetAddress", "10.2.2.2:3260,7")}
		if diff := cmp.Diff(want, p.asks(pair("SendTargets", "All"))); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		b.apply(Action{Logout: &LogoutRule{Response: 3, Time2Wait: 4, Time2Retain: 5}})
		p.send(&pdu.LogoutRequest{Immediate: true, ITT: 1, CmdSN: p.cmdSN})
		if r := get[*pdu.LogoutResponse](p); r.Response != 3 || r.Time2Wait != 4 || r.Time2Retain != 5 {
			t.Errorf("%+v", r)
		}
		b.apply(Action{Logout: &LogoutRule{Silence: true}}, Action{Logout: &LogoutRule{Delay: 2 * time.Second}})
		p.send(&pdu.LogoutRequest{Immediate: true, ITT: 1, CmdSN: p.cmdSN})
		if !p.silent(time.Second) {
			t.Error("a silenced logout is answered")
		}
		began := time.Now()
		p.send(&pdu.LogoutRequest{Immediate: true, ITT: 1, CmdSN: p.cmdSN})
		get[*pdu.LogoutResponse](p)
		if d := time.Since(began); d < 2*time.Second || !p.closed() {
			t.Errorf("logout answered after %v", d)
		}
	})
}
