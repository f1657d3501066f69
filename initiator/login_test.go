package initiator

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

// loginReply is a scripted Login Response: fields of r that are zero are filled in from the request.
type loginReply func(p *pdu.LoginRequest, r *pdu.LoginResponse)

// answering serves logins by a list of changes to the plain answer; after the last one it reads on until the initiator leaves.
func answering(answers ...loginReply) func(*fakeEnd) {
	return func(e *fakeEnd) {
		for _, change := range answers {
			p := e.readLogin()
			if p == nil {
				return
			}
			r := &pdu.LoginResponse{Transit: p.Transit, CSG: p.CSG, NSG: p.NSG, ISID: p.ISID, ITT: p.ITT, StatSN: e.statSN}
			e.statSN++
			if p.Transit && p.NSG == pdu.StageFullFeature {
				r.TSIH = fakeTSIH
			}
			r.ExpCmdSN, r.MaxCmdSN = e.expCmdSN, e.maxCmdSN()
			change(p, r)
			_, _ = e.Write(pdu.Encode(nil, r, pdu.Digests{}))
		}
		for e.read() != nil {
		}
	}
}

func plain(*pdu.LoginRequest, *pdu.LoginResponse) {}

func keys(pairs ...string) loginReply {
	return func(_ *pdu.LoginRequest, r *pdu.LoginResponse) { r.Data = base(pairs...).Append(nil) }
}

// delayed answers T=0.
func delayed(pairs ...string) loginReply {
	return func(p *pdu.LoginRequest, r *pdu.LoginResponse) {
		keys(pairs...)(p, r)
		r.Transit, r.NSG, r.TSIH = false, 0, 0
	}
}

func partial(data string) loginReply {
	return func(_ *pdu.LoginRequest, r *pdu.LoginResponse) {
		r.Data = []byte(data)
		r.Transit, r.NSG, r.Continue, r.TSIH = false, 0, true, 0
	}
}

func status(s iscsi.Status) loginReply {
	return func(_ *pdu.LoginRequest, r *pdu.LoginResponse) { r.SetStatus(uint16(s)) }
}

func TestLoginRefusesFaultyAnswers(t *testing.T) {
	change := func(f func(r *pdu.LoginResponse)) loginReply {
		return func(_ *pdu.LoginRequest, r *pdu.LoginResponse) { f(r) }
	}
	for name, c := range map[string]struct {
		answers []loginReply
		want    string
	}{
		"status in the first":  {[]loginReply{status(iscsi.StatusNotFound)}, "0x0203"},
		"status in the second": {[]loginReply{plain, status(iscsi.StatusOutOfResources)}, "0x0302"},
		"unknown class":        {[]loginReply{plain, status(0x0400)}, "0x0400"},
		"wrong tag":            {[]loginReply{change(func(r *pdu.LoginResponse) { r.ITT++ })}, "Task Tag"},
		"wrong version":        {[]loginReply{change(func(r *pdu.LoginResponse) { r.VersionActive = 1 })}, "version"},
		"gap in StatSN":        {[]loginReply{plain, change(func(r *pdu.LoginResponse) { r.StatSN++ })}, "StatSN"},
		"wrong CSG":            {[]loginReply{plain, change(func(r *pdu.LoginResponse) { r.CSG = 0 })}, "CSG"},
		"reserved stage":       {[]loginReply{change(func(r *pdu.LoginResponse) { r.NSG = 2 })}, "NSG"},
		"stage back":           {[]loginReply{plain, change(func(r *pdu.LoginResponse) { r.NSG = 0 })}, "NSG"},
		"stage skipped":        {[]loginReply{change(func(r *pdu.LoginResponse) { r.NSG = 3 })}, "NSG"},
		"T and C":              {[]loginReply{change(func(r *pdu.LoginResponse) { r.Continue = true })}, "T and C"},
		"method not offered":   {[]loginReply{keys("AuthMethod=SRP")}, "AuthMethod"},
		"method CHAP":          {[]loginReply{keys("AuthMethod=CHAP")}, "AuthMethod"},
		"CHAP without method":  {[]loginReply{keys("CHAP_A=5")}, "CHAP_A"},
		"digest not offered":   {[]loginReply{plain, keys("HeaderDigest=CRC32C")}, "HeaderDigest"},
		"number too large":     {[]loginReply{plain, keys("MaxBurstLength=16777215")}, "MaxBurstLength"},
		"twice in one":         {[]loginReply{plain, delayed("ImmediateData=Yes", "ImmediateData=No"), plain}, "ImmediateData"},
		"twice":                {[]loginReply{plain, delayed("ImmediateData=Yes"), keys("ImmediateData=No")}, "ImmediateData"},
		"key with T=1":         {[]loginReply{plain, keys("X-com.example.a=1")}, "X-com.example.a"},
		"no text":              {[]loginReply{change(func(r *pdu.LoginResponse) { r.Data = []byte("rubbish") })}, "text"},
		"T unasked in long answer": {[]loginReply{plain, partial("Max"), func(_ *pdu.LoginRequest, r *pdu.LoginResponse) {
			r.Transit, r.NSG, r.Data = true, 3, []byte("BurstLength=512\x00")
		}}, "T=1"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *fakeNetwork) {
				n.at(portalA, answering(c.answers...))
				start := time.Now()
				_, err := Login(t.Context(), n, config())
				var failed *LoginError
				if !errors.As(err, &failed) || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v, want %q", err, c.want)
				}
				if time.Since(start) != 0 {
					t.Errorf("took %v", time.Since(start))
				}
			})
		})
	}
}

func TestLoginIsPatientWithTheTarget(t *testing.T) {
	for name, answers := range map[string][]loginReply{
		"T delayed":       {delayed(), delayed(), plain, delayed(), delayed(), delayed(), plain},
		"AuthMethod late": {delayed("TargetPortalGroupTag=1"), keys("AuthMethod=None"), plain},
		"StatSN wraps": {
			func(_ *pdu.LoginRequest, r *pdu.LoginResponse) { r.StatSN = 0xffffffff },
			func(_ *pdu.LoginRequest, r *pdu.LoginResponse) { r.StatSN = 0 },
		},
		"rejected keys": {plain, keys("MaxBurstLength=Reject", "HeaderDigest=Reject", "FirstBurstLength=Irrelevant")},
		"hexadecimal":   {plain, keys("MaxBurstLength=0X4000", "MaxRecvDataSegmentLength=0x2000")},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *fakeNetwork) {
				n.at(portalA, answering(answers...))
				mustLogin(t, n, config())
			})
		})
	}
}

func TestLongAnswersAreGathered(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		var end *fakeEnd
		script := answering(plain, partial("MaxBurstLength=1638"), partial("4\x00X-com.exam"), func(p *pdu.LoginRequest, r *pdu.LoginResponse) {
			r.Data = []byte("ple.a=1\x00")
			r.Transit, r.NSG, r.TSIH = false, 0, 0
		}, plain)
		n.at(portalA, func(e *fakeEnd) { end = e; script(e) })
		s := mustLogin(t, n, config())
		if s.Info().Params.MaxBurstLength != 16384 {
			t.Errorf("MaxBurstLength %d", s.Info().Params.MaxBurstLength)
		}
		for i, p := range end.logins[2:4] {
			if len(p.Data) != 0 || p.Transit {
				t.Errorf("request %d within the target's text: %+v", i+2, p)
			}
		}
		if value, _ := textOf(end.logins[4].Data).Get("X-com.example.a"); value != text.NotUnderstood {
			t.Errorf("answer %q", end.logins[4].Data)
		}
	})
}

func TestManyKeysAreAnswered(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		var offers []string
		for i := range 60 {
			offers = append(offers, fmt.Sprintf("X-com.example.%02d", i)+strings.Repeat("k", i*47/60)+"="+strings.Repeat("v", 80))
		}
		var end *fakeEnd
		n.at(portalA, func(e *fakeEnd) { end = e; answering(plain, delayed(offers...), plain)(e) })
		mustLogin(t, n, config())
		if got := len(slices.DeleteFunc(end.keys, func(p text.Pair) bool { return p.Value != text.NotUnderstood })); got != 60 {
			t.Errorf("%d keys answered, want 60", got)
		}
	})
}

func TestOnlyLoginResponsesCountInLogin(t *testing.T) {
	for _, p := range []pdu.PDU{&pdu.NOPIn{ITT: pdu.ReservedTag, TTT: 1}, &pdu.SCSIResponse{}, &pdu.TextResponse{Final: true}, &pdu.AsyncMessage{Event: 1}, &pdu.Reject{}} {
		bubble(t, func(t *testing.T, n *fakeNetwork) {
			n.at(portalA, func(e *fakeEnd) {
				e.readLogin()
				e.write(p)
				if got := e.read(); got != nil {
					t.Errorf("after %v came %T", p.Opcode(), got)
				}
			})
			_, err := Login(t.Context(), n, config())
			var broken *ProtocolError
			if !errors.As(err, &broken) || broken.Opcode != p.Opcode() {
				t.Errorf("%v: %v", p.Opcode(), err)
			}
		})
	}
}

func TestLoginTimeout(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, func(e *fakeEnd) {
			e.answerLogin(e.readLogin(), nil)
			e.read()
			e.read()
		})
		start := time.Now()
		_, err := Login(t.Context(), n, config())
		if !errors.Is(err, ErrTimeout) || time.Since(start) != DefaultLoginTimeout {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestStreamedAnswers(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, func(e *fakeEnd) {
			e.Conn = &dribble{e.Conn}
			accepts()(e)
		})
		s := mustLogin(t, n, config())
		if err := s.Do(t.Context(), readRequest(0, 512)); err != nil {
			t.Error(err)
		}
	})
}

func TestFirstCommandHasTheLoginsNumber(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, func(e *fakeEnd) {
			if e.login() {
				p := expect[*pdu.SCSICommand](e)
				if p.CmdSN != e.logins[0].CmdSN || p.ExpStatSN != e.statSN {
					t.Errorf("CmdSN %d, ExpStatSN %#x", p.CmdSN, p.ExpStatSN)
				}
				e.good(p.ITT)
				e.read()
			}
		})
		s := mustLogin(t, n, config())
		if err := s.Do(t.Context(), &Request{CDB: make([]byte, 6)}); err != nil {
			t.Error(err)
		}
	})
}

func TestStageWithoutSecurity(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		var end *fakeEnd
		n.at(portalA, func(e *fakeEnd) { end = e; accepts()(e) })
		cfg := config()
		cfg.SkipSecurityStage, cfg.InitiatorAlias = true, "host"
		mustLogin(t, n, cfg)
		if len(end.logins) != 1 || end.logins[0].CSG != pdu.StageOperational {
			t.Errorf("%d requests, first in stage %v", len(end.logins), end.logins[0].CSG)
		}
		if alias, _ := end.keys.Get("InitiatorAlias"); alias != "host" {
			t.Errorf("alias %q", alias)
		}
	})
}

// TestNothingToNegotiate asks for the full feature phase from the security stage; the target may insist on the operational stage.
func TestNothingToNegotiate(t *testing.T) {
	for _, insists := range []bool{false, true} {
		bubble(t, func(t *testing.T, n *fakeNetwork) {
			var end *fakeEnd
			n.at(portalA, func(e *fakeEnd) {
				end, e.peerLimit, e.params = e, 8192, text.DefaultParams()
				p := e.readLogin()
				if p.CSG != pdu.StageSecurity || !p.Transit || p.NSG != pdu.StageFullFeature {
					t.Errorf("first request %+v", p)
				}
				r := &pdu.LoginResponse{Transit: true, NSG: pdu.StageFullFeature, ISID: p.ISID, ITT: p.ITT, TSIH: e.tsih, Data: base("AuthMethod=None").Append(nil)}
				if insists {
					r.NSG, r.TSIH = pdu.StageOperational, 0
				}
				e.write(r)
				if insists {
					e.answerLogin(e.readLogin(), nil)
				}
				e.disk(make([]byte, 512), nil)
			})
			cfg := config()
			cfg.Offers = []Offer{}
			s := mustLogin(t, n, cfg)
			if p := s.Info().Params; p.MaxRecvDataSegmentLength != 8192 || !p.InitialR2T || p.MaxBurstLength != 262144 {
				t.Errorf("%+v", p)
			}
			if want := 1; !insists && len(end.logins) != want {
				t.Errorf("%d requests, want %d", len(end.logins), want)
			}
			if err := s.Do(t.Context(), readRequest(0, 512)); err != nil {
				t.Error(err)
			}
		})
	}
}
