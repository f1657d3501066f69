package probe_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/chap"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

func TestStdLoginKeepsTheNumbers(t *testing.T) {
	var seen *pdu.LoginRequest
	in(t, probe.Options{}, func(t *testing.T, p *probe.Prober) {
		c := granted(t, p, probe.Login{CmdSN: new(uint32(0xfffffffe))})
		s := c.Session
		if s.TSIH != 7 || s.CmdSN != 0xfffffffe || s.ExpCmdSN != 0xfffffffe || s.MaxCmdSN != 29 || s.Window() != 32 || c.ExpStatSN != 101 {
			t.Errorf("%+v, ExpStatSN %d", s, c.ExpStatSN)
		}
		for range 4 {
			if err := c.Probe(); err != nil {
				t.Fatal(err)
			}
		}
		if s.CmdSN != 2 || c.ExpStatSN != 105 {
			t.Errorf("CmdSN %d, ExpStatSN %d", s.CmdSN, c.ExpStatSN)
		}
		if err := c.Ping([]byte("hello")); err != nil {
			t.Error(err)
		}
		if s.ISID.Format() != iscsi.ISIDFormatRandom {
			t.Errorf("ISID %v", s.ISID)
		}
	}, func(p *peer) {
		seen = p.login(pair("HeaderDigest", "None"), pair("DataDigest", "None"))
		p.serve()
	})
	if seen.CSG != pdu.StageOperational || seen.NSG != pdu.StageFullFeature || !seen.Transit || seen.TSIH != 0 || seen.CID != 1 || seen.ExpStatSN != 0 {
		t.Errorf("%+v", seen)
	}
	want := "InitiatorName=" + probe.DefaultInitiatorName + " TargetName=" + targetName + " SessionType=Normal HeaderDigest=None DataDigest=None"
	if got, err := text.Parse(seen.Data); err != nil || got.String() != want {
		t.Errorf("%v, %v", got, err)
	}
}

// TestWhatLoginsSend has a row for each way in which a login can depart from std-login.
func TestWhatLoginsSend(t *testing.T) {
	const names = "InitiatorName=" + probe.DefaultInitiatorName + " TargetName=" + targetName + " SessionType=Normal"
	isid := iscsi.ISID{0, 1, 2, 3, 4, 5}
	for name, c := range map[string]struct {
		login probe.Login
		want  string
		check func(*pdu.LoginRequest) bool
	}{
		"keys beside":   {probe.Login{Keys: text.Pairs{pair("X-a", "1")}}, names + " HeaderDigest=None DataDigest=None X-a=1", nil},
		"keys instead":  {probe.Login{Keys: text.Pairs{pair("DataDigest", "CRC32C")}}, names + " HeaderDigest=None DataDigest=CRC32C", nil},
		"a key twice":   {probe.Login{Keys: text.Pairs{pair("DataDigest", "a"), pair("DataDigest", "b")}}, names + " HeaderDigest=None DataDigest=a DataDigest=b", nil},
		"names instead": {probe.Login{Keys: text.Pairs{pair("SessionType", "Bogus")}}, strings.Replace(names, "Normal", "Bogus", 1) + " HeaderDigest=None DataDigest=None", nil},
		"less":          {probe.Login{Omit: []string{"TargetName", "HeaderDigest"}}, "InitiatorName=" + probe.DefaultInitiatorName + " SessionType=Normal DataDigest=None", nil},
		"a small burst": {probe.Login{Keys: text.Pairs{pair("MaxBurstLength", "4096")}}, names + " HeaderDigest=None DataDigest=None MaxBurstLength=4096 FirstBurstLength=4096", nil},
		"both bursts":   {probe.Login{Keys: text.Pairs{pair("MaxBurstLength", "4096"), pair("FirstBurstLength", "512")}}, names + " HeaderDigest=None DataDigest=None MaxBurstLength=4096 FirstBurstLength=512", nil},
		"discovery":     {probe.Login{Discovery: true}, "InitiatorName=" + probe.DefaultInitiatorName + " SessionType=Discovery HeaderDigest=None DataDigest=None", nil},
		"other names":   {probe.Login{InitiatorName: "iqn.a", TargetName: "iqn.b"}, "InitiatorName=iqn.a TargetName=iqn.b SessionType=Normal HeaderDigest=None DataDigest=None", nil},
		"the security stage": {probe.Login{Security: true}, names + " AuthMethod=None",
			func(r *pdu.LoginRequest) bool { return r.CSG == 0 && r.NSG == 1 && r.Transit }},
		"straight":     {probe.Login{Straight: true}, names + " AuthMethod=None", func(r *pdu.LoginRequest) bool { return r.CSG == 0 && r.NSG == 3 && r.Transit }},
		"no method":    {probe.Login{Security: true, Omit: []string{"AuthMethod"}}, names, nil},
		"other method": {probe.Login{Security: true, Keys: text.Pairs{pair("AuthMethod", "CHAP,None")}}, names + " AuthMethod=CHAP,None", nil},
		"numbers": {probe.Login{ISID: &isid, TSIH: new(uint16(0xbeef)), CID: new(uint16(0)), ITT: new(uint32(0x11223344)), CmdSN: new(uint32(5)), VersionMax: 10, VersionMin: 5},
			names + " HeaderDigest=None DataDigest=None", func(r *pdu.LoginRequest) bool {
				return r.ISID == isid && r.TSIH == 0xbeef && r.CID == 0 && r.ITT == 0x11223344 && r.CmdSN == 5 && r.VersionMax == 10 && r.VersionMin == 5
			}},
		"a patch": {probe.Login{Patch: func(_ int, r *pdu.LoginRequest) { r.CID = 77 }}, names + " HeaderDigest=None DataDigest=None",
			func(r *pdu.LoginRequest) bool { return r.CID == 77 }},
	} {
		var first *pdu.LoginRequest
		in(t, probe.Options{}, func(t *testing.T, p *probe.Prober) { p.Login(c.login) }, func(p *peer) { first, _ = p.receive().(*pdu.LoginRequest) })
		got, err := text.Parse(first.Data)
		if err != nil || got.String() != c.want || c.check != nil && !c.check(first) {
			t.Errorf("%s: %+v %v, %v", name, first, got, err)
		}
	}
}

func TestLoginOutcomes(t *testing.T) {
	refuse := func(p *peer) {
		r, _ := p.receive().(*pdu.LoginRequest)
		response := p.answer(r)
		response.Transit = false
		response.SetStatus(0x0203)
		p.send(response)
	}
	for name, c := range map[string]struct {
		script func(*peer)
		want   probe.LoginOutcome
		text   string
	}{
		"granted":   {sound, probe.LoginGranted, "the login was granted"},
		"refused":   {refuse, probe.LoginRefused, "the login was refused with 0x0203 (target not found)"},
		"bare drop": {func(p *peer) { p.receive() }, probe.LoginDropped, "a bare drop: the target closed the connection (FIN)"},
		"reset": {func(p *peer) {
			p.receive()
			if err := p.conn.(interface{ SetLinger(int) error }).SetLinger(0); err != nil {
				p.t.Error(err)
			}
		}, probe.LoginDropped, "a bare drop: the connection was reset (RST)"},
		"silent": {func(p *peer) { p.receive(); p.receive() }, probe.LoginSilent, "no answer to a Login Request: nothing within 10s"},
		"endless": {func(p *peer) {
			for range 16 {
				r, _ := p.receive().(*pdu.LoginRequest)
				response := p.answer(r, pair("X-more", "1"))
				response.Transit = false
				p.send(response)
			}
		}, probe.LoginEndless, "the target kept answering without granting the login"},
		"a reject": {func(p *peer) {
			p.receive()
			p.send(&pdu.Reject{Reason: pdu.RejectProtocolError, StatSN: p.status()})
		}, probe.LoginBroken, "in answer to a Login Request: Reject"},
		"garbage": {func(p *peer) {
			p.receive()
			p.raw([]byte("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))
		}, probe.LoginBroken, "in answer to a Login Request: bytes that are no iSCSI PDU"},
		"half a PDU": {func(p *peer) { p.receive(); p.raw(make([]byte, 20)) }, probe.LoginDropped,
			"a bare drop: the target closed the connection (FIN), after 20 bytes that make no whole PDU"},
		"no text": {func(p *peer) {
			r, _ := p.receive().(*pdu.LoginRequest)
			response := p.answer(r)
			response.Data = []byte("Nonsense\x00")
			p.send(response)
		}, probe.LoginBroken, "key=value text"},
	} {
		in(t, probe.Options{}, func(t *testing.T, p *probe.Prober) {
			r := p.Login(probe.Login{})
			if r.Outcome != c.want || !strings.HasPrefix(r.String(), c.text) || r.Granted() != (r.Err() == nil) {
				t.Errorf("%s: %v, %q", name, r.Outcome, r.String())
			}
			var mismatch *probe.Mismatch
			if !r.Granted() && (!errors.As(r.Err(), &mismatch) || !strings.HasPrefix(mismatch.Error(), "Expected: a granted login\nActual: ") ||
				!strings.Contains(mismatch.Error(), "#1 > Login Request")) {
				t.Errorf("%s: %v", name, r.Err())
			}
			if c.want == probe.LoginRefused && (!r.Conn.AwaitDrop().Dropped || !r.RefusedWith(iscsi.StatusNotFound) || r.AuthRequired()) {
				t.Errorf("%s: no drop", name)
			}
		}, c.script)
	}
}

func TestLoginUnreachableAndInterrupted(t *testing.T) {
	in(t, probe.Options{}, func(t *testing.T, p *probe.Prober) {
		r := p.Login(probe.Login{Portal: iscsi.Address{Host: "10.0.0.1", Port: 9}})
		var dial *probe.DialError
		if r.Outcome != probe.LoginUnreachable || !errors.As(r.Last.Err, &dial) || r.Err() == nil {
			t.Errorf("%v: %v", r.Outcome, r)
		}
		q := probe.New(cancelled(), p.Options())
		if r := q.Login(probe.Login{}); r.Outcome != probe.LoginInterrupted {
			t.Errorf("%v: %v", r.Outcome, r)
		}
	}, sound)
}

func TestLoginAnswersProposalsAndFollowsStages(t *testing.T) {
	var requests []*pdu.LoginRequest
	in(t, probe.Options{}, func(t *testing.T, p *probe.Prober) {
		r := p.Login(probe.Login{Straight: true, Keys: text.Pairs{pair("MaxBurstLength", "65536")}, Answers: text.Pairs{pair("MaxOutstandingR2T", "2")}})
		if err := r.Err(); err != nil {
			t.Fatal(err)
		}
		if r.Params.MaxOutstandingR2T != 2 || r.Params.MaxBurstLength != 32768 || r.Params.PeerMaxRecvDataSegmentLength != 4096 || r.Params.DefaultTime2Wait != 5 {
			t.Errorf("%+v", r.Params)
		}
		if got := probe.ProposalsOf(r.Walk.Said).String(); got != "TargetPortalGroupTag=1 MaxOutstandingR2T=8 DefaultTime2Wait=5 MaxRecvDataSegmentLength=4096 X-vendor=1" {
			t.Errorf("proposals: %s", got)
		}
		if v, ok := r.Answer("MaxBurstLength"); !ok || v != "32768" || r.Walk.Exchanges != 3 {
			t.Errorf("%q, %t, %d exchanges", v, ok, r.Walk.Exchanges)
		}
	}, func(p *peer) {
		r, _ := p.receive().(*pdu.LoginRequest)
		response := p.answer(r, pair("AuthMethod", "None"), pair("TargetPortalGroupTag", "1"))
		response.NSG = pdu.StageOperational // Less than was asked for.
		response.TSIH = 0
		p.send(response)
		r, _ = p.receive().(*pdu.LoginRequest)
		requests = append(requests, r)
		response = p.answer(r, pair("HeaderDigest", "None"), pair("DataDigest", "None"), pair("MaxBurstLength", "32768"), pair("MaxOutstandingR2T", "8"),
			pair("DefaultTime2Wait", "5"), pair("MaxRecvDataSegmentLength", "4096"), pair("X-vendor", "1"))
		response.Transit, response.NSG = false, 0
		p.send(response)
		requests = append(requests, p.login())
		p.serve()
	})
	first, _ := text.Parse(requests[0].Data)
	second, _ := text.Parse(requests[1].Data)
	if first.String() != "HeaderDigest=None DataDigest=None MaxBurstLength=65536" || requests[0].CSG != pdu.StageOperational {
		t.Errorf("%v", first)
	}
	if second.String() != "MaxOutstandingR2T=2 DefaultTime2Wait=5 X-vendor=NotUnderstood" || requests[1].ExpStatSN != 102 {
		t.Errorf("%v, ExpStatSN %d", second, requests[1].ExpStatSN)
	}
}

func TestLoginFollowsSplitAnswers(t *testing.T) {
	in(t, probe.Options{}, func(t *testing.T, p *probe.Prober) {
		r := p.Login(probe.Login{})
		if err := r.Err(); err != nil {
			t.Fatal(err)
		}
		if v, _ := r.Walk.Received().Get("TargetAlias"); v != "a long alias" {
			t.Errorf("%q", v)
		}
	}, func(p *peer) {
		whole := text.Pairs{pair("HeaderDigest", "None"), pair("DataDigest", "None"), pair("TargetAlias", "a long alias")}
		for _, part := range text.Split(whole, 30) {
			r, _ := p.receive().(*pdu.LoginRequest)
			response := p.answer(r)
			response.Data = part
			last := whole.Append(nil)
			if response.Continue = string(part) != string(last[len(last)-len(part):]); response.Continue {
				response.Transit, response.NSG, response.TSIH = false, 0, 0
			} else {
				response.Transit, response.NSG, response.TSIH = true, pdu.StageFullFeature, 7
			}
			p.send(response)
		}
		p.serve()
	})
}

func TestSecondConnectionJoins(t *testing.T) {
	var second *pdu.LoginRequest
	in(t, probe.Options{}, func(t *testing.T, p *probe.Prober) {
		c := granted(t, p, probe.Login{})
		if err := c.Probe(); err != nil {
			t.Fatal(err)
		}
		d := granted(t, p, probe.Login{Session: c.Session})
		if d.Session != c.Session || d.CID != 2 || len(c.Session.Conns) != 2 || c.Session.CmdSN != 2 {
			t.Errorf("%+v", d.Session)
		}
	}, sound, func(p *peer) {
		second = p.login()
		p.serve()
	})
	if second.TSIH != 7 || second.CID != 2 || second.CmdSN != 2 {
		t.Errorf("%+v", second)
	}
}

var (
	user  = chap.Credentials{Name: "user", Secret: "the initiator's"}
	array = chap.Credentials{Name: "array", Secret: "the target's own"}
)

// authenticate runs the target's side of CHAP with iscsi/chap.
func authenticate(own chap.Credentials) func(*peer) {
	return func(p *peer) {
		r, _ := p.receive().(*pdu.LoginRequest)
		response := p.answer(r, pair("AuthMethod", "CHAP"))
		response.NSG = 0
		p.send(response)
		machine := chap.Target{Own: own, Challenge: []byte("0123456789abcdef"), Peer: func(string) (chap.Credentials, bool) { return user, true }}
		for !machine.Done() {
			r, ok := p.receive().(*pdu.LoginRequest)
			if !ok {
				return
			}
			keys, _ := text.Parse(r.Data)
			answer, err := machine.Step(keys)
			if err != nil {
				response := p.answer(r)
				response.Transit = false
				response.SetStatus(0x0201)
				p.send(response)
				return
			}
			p.send(p.answer(r, answer...))
		}
		p.login(pair("HeaderDigest", "None"), pair("DataDigest", "None"))
		p.serve()
	}
}

func TestLoginWithCHAP(t *testing.T) {
	for name, c := range map[string]struct {
		own, mutual, target chap.Credentials
		want                probe.LoginOutcome
	}{
		"one way":         {user, chap.Credentials{}, array, probe.LoginGranted},
		"mutual":          {user, array, array, probe.LoginGranted},
		"wrong secret":    {chap.Credentials{Name: "user", Secret: "wrong"}, chap.Credentials{}, array, probe.LoginRefused},
		"an impostor":     {user, array, chap.Credentials{Name: "array", Secret: "another-array-secret"}, probe.LoginBroken},
		"a mute impostor": {user, array, chap.Credentials{}, probe.LoginRefused},
	} {
		in(t, probe.Options{CHAP: c.own, Mutual: c.mutual}, func(t *testing.T, p *probe.Prober) {
			r := p.Login(probe.Login{})
			if r.Outcome != c.want {
				t.Errorf("%s: %v", name, r)
			}
			for _, line := range p.Last() {
				if strings.Contains(line, user.Secret.Reveal()) {
					t.Errorf("%s: %s", name, line)
				}
			}
		}, authenticate(c.target))
	}
}

func TestNoGrantWithoutTheProofAskedFor(t *testing.T) {
	in(t, probe.Options{CHAP: user, Mutual: array}, func(t *testing.T, p *probe.Prober) {
		if r := p.Login(probe.Login{}); r.Outcome != probe.LoginBroken || !strings.Contains(r.String(), "without the proof") {
			t.Errorf("%v: %v", r.Outcome, r)
		}
	}, func(p *peer) {
		r, _ := p.receive().(*pdu.LoginRequest)
		response := p.answer(r, pair("AuthMethod", "CHAP"))
		response.Transit, response.NSG = true, pdu.StageOperational
		p.send(response)
	})
}

func TestRedirect(t *testing.T) {
	in(t, probe.Options{}, func(t *testing.T, p *probe.Prober) {
		r := p.Login(probe.Login{})
		to, err := r.Redirect()
		if !r.RefusedWith(iscsi.StatusMovedTemporarily) || err != nil || to.String() != "10.0.0.2:3261" {
			t.Errorf("%v, %v, %v", r, to, err)
		}
	}, func(p *peer) {
		r, _ := p.receive().(*pdu.LoginRequest)
		response := p.answer(r, pair("TargetAddress", "10.0.0.2:3261"))
		response.Transit = false
		response.SetStatus(0x0101)
		p.send(response)
	})
}

func TestSettled(t *testing.T) {
	ours := func(key, value string) probe.Said { return probe.Said{Pair: pair(key, value)} }
	theirs := func(key, value string) probe.Said { return probe.Said{FromTarget: true, Pair: pair(key, value)} }
	for name, c := range map[string]struct {
		said   []probe.Said
		change func(*text.Params)
	}{
		"nothing":               {nil, func(*text.Params) {}},
		"an offer unanswered":   {[]probe.Said{ours("MaxBurstLength", "512")}, func(*text.Params) {}},
		"an offer that decides": {[]probe.Said{ours("ImmediateData", "No")}, func(p *text.Params) { p.ImmediateData = false }},
		"an answer":             {[]probe.Said{ours("ErrorRecoveryLevel", "2"), theirs("ErrorRecoveryLevel", "1")}, func(p *text.Params) { p.ErrorRecoveryLevel = 1 }},
		"our answer":            {[]probe.Said{theirs("MaxConnections", "8"), ours("MaxConnections", "4")}, func(p *text.Params) { p.MaxConnections = 4 }},
		"a rejected offer":      {[]probe.Said{ours("MaxConnections", "0"), theirs("MaxConnections", "Reject")}, func(*text.Params) {}},
		"an illegal answer":     {[]probe.Said{ours("MaxConnections", "0"), theirs("MaxConnections", "0")}, func(*text.Params) {}},
		"declarations":          {[]probe.Said{ours("MaxRecvDataSegmentLength", "512"), theirs("MaxRecvDataSegmentLength", "1024")}, func(p *text.Params) { p.MaxRecvDataSegmentLength, p.PeerMaxRecvDataSegmentLength = 512, 1024 }},
		"a burst and its first": {[]probe.Said{ours("MaxBurstLength", "4096"), theirs("MaxBurstLength", "4096")}, func(p *text.Params) { p.MaxBurstLength, p.FirstBurstLength = 4096, 4096 }},
		"a digest":              {[]probe.Said{ours("DataDigest", "CRC32C,None"), theirs("DataDigest", "CRC32C")}, func(p *text.Params) { p.DataDigest = true }},
		"an unknown key":        {[]probe.Said{ours("X-a", "1"), theirs("X-a", "NotUnderstood")}, func(*text.Params) {}},
	} {
		want := text.DefaultParams()
		c.change(&want)
		if diff := cmp.Diff(want, probe.Settled(c.said)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
