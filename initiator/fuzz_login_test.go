package initiator

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

// fuzzRequestsMax bounds the Login Requests that one call of Login may send, over all portals of all redirects.
const fuzzRequestsMax = loginRoundLimit * (2*redirectLimit + 2)

// whims are what a target does to its sound answer, one for each byte of a fuzzer's input.
type whims struct {
	mu       sync.Mutex
	input    []byte
	requests int
}

// next draws a byte; sound answers come when there are none left.
func (w *whims) next() byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.input) == 0 {
		return 0
	}
	b := w.input[0]
	w.input = w.input[1:]
	return b
}

// fuzzKeys and fuzzValues are what a whim may say.
var (
	fuzzKeys = []string{
		"AuthMethod", "CHAP_A", "CHAP_I", "CHAP_C", "CHAP_N", "CHAP_R", "HeaderDigest", "DataDigest", "MaxRecvDataSegmentLength", "MaxBurstLength",
		"FirstBurstLength", "InitialR2T", "ImmediateData", "DefaultTime2Wait", "MaxConnections", "ErrorRecoveryLevel", "TargetAddress",
		"TargetPortalGroupTag", "SessionType", "InitiatorName", "X-com.example.key", "", "SendTargets", "TaskReporting", "iSCSIProtocolLevel",
	}
	fuzzValues = []string{
		"None", "CHAP", "CHAP,None", "5", "7", "0", "1", "255", "256", "-1", "0x", "0x00", "0xff00ff00ff00ff00ff00ff00ff00ff00", "0bAAAA", "Yes", "No",
		"Reject", "Irrelevant", "NotUnderstood", "16777215", "16777216", "99999999999999999999", "", "192.0.2.2:3260", "192.0.2.1,1", "[fe80::1]",
		"portal:0", "CRC32C", "disk", "\xff=\xff", "CRC32C,None",
	}
)

// spoil does one whim to an answer; false means that the target ends the connection.
func (w *whims) spoil(e *fakeEnd, p *pdu.LoginResponse, pairs text.Pairs) (text.Pairs, bool) {
	key := func() string { return fuzzKeys[int(w.next())%len(fuzzKeys)] }
	value := func() string { return fuzzValues[int(w.next())%len(fuzzValues)] }
	switch w.next() % 16 {
	case 1:
		pairs.Set(key(), value())
	case 2:
		pairs.Add(key(), value())
	case 3:
		pairs = pairs.Without(key())
	case 4:
		p.Transit = !p.Transit
	case 5:
		p.Continue = true
	case 6:
		p.CSG, p.NSG = pdu.Stage(w.next()&3), pdu.Stage(w.next()&3)
	case 7:
		p.SetStatus(uint16(w.next()&7)<<8 | uint16(w.next()))
	case 8:
		p.SetStatus(0x0101 + uint16(w.next()&1))
		pairs.Add("TargetAddress", value())
	case 9:
		e.statSN += uint32(w.next())
	case 10:
		p.ITT ^= uint32(w.next())
	case 11:
		p.TSIH = uint16(w.next())
	case 12:
		e.write(&pdu.NOPIn{ITT: pdu.ReservedTag, TTT: uint32(w.next())})
	case 13:
		p.VersionActive = w.next()
	case 14:
		return pairs, false
	case 15:
		time.Sleep(time.Duration(w.next()) * 100 * time.Millisecond)
	}
	return pairs, true
}

// serve is one connection of a target that follows its whims.
func (w *whims) serve(e *fakeEnd) {
	e.lenient = true
	n := text.NewNegotiation(text.Target, text.Normal, baseWants([]string{"AuthMethod=CHAP,None"}))
	for {
		r, ok := e.read().(*pdu.LoginRequest)
		if !ok {
			return
		}
		w.mu.Lock()
		w.requests++
		w.mu.Unlock()
		n.SetStage(text.Stage(r.CSG))
		asked, _ := text.Parse(r.Data)
		security, others := text.CutSecurity(asked)
		pairs, _ := n.Receive(others)
		if _, found := security.Get("CHAP_A"); found {
			pairs = append(pairs, base("CHAP_A=5", "CHAP_I=1", "CHAP_C=0x0123456789abcdef0123456789abcdef")...)
		}
		p := &pdu.LoginResponse{Transit: r.Transit, CSG: r.CSG, NSG: r.NSG, ISID: r.ISID, ITT: r.ITT, TSIH: fakeTSIH}
		pairs, alive := w.spoil(e, p, append(pairs, n.Offer()...))
		if !alive {
			return
		}
		p.Data = pairs.Append(nil)
		if cut := int(w.next()); w.next()%8 == 7 && len(p.Data) > 0 {
			p.Data = p.Data[:cut%len(p.Data)]
		}
		e.write(p)
	}
}

// FuzzLoginDialogue logs in to targets that answer each request soundly but for a whim: Login ends in its time and within its bounds, what it
// agrees to is lawful, and nobody who does not know the secret is taken for the target.
func FuzzLoginDialogue(f *testing.F) {
	f.Add([]byte{}, byte(0))
	f.Add([]byte{0, 0, 0, 1, 9, 20}, byte(0))
	f.Add([]byte{8, 0, 23, 0, 0, 0, 0, 0}, byte(1))
	f.Add([]byte{0, 0, 0, 0, 0, 0, 2, 5, 12, 0, 0, 2, 4, 28}, byte(2))
	f.Add([]byte{5, 0, 0, 5, 0, 0, 5, 0, 0, 3, 0, 0, 0}, byte(1))
	f.Add([]byte{8, 1, 23, 0, 0, 8, 0, 24, 0, 0, 8, 1, 23}, byte(0))
	f.Fuzz(func(t *testing.T, input []byte, credentials byte) {
		cfg := config()
		if credentials%3 > 0 {
			cfg = chapConfig(credentials%3 == 2)
		}
		bubble(t, func(t *testing.T, n *fakeNetwork) {
			w := &whims{input: input}
			defer time.Sleep(time.Minute) // A target that sleeps still finds out that its connection is gone.
			n.at(portalA, w.serve).at(portalB, w.serve)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Hour)
			defer cancel()
			s, err := Login(ctx, n, cfg)
			if w.requests > fuzzRequestsMax {
				t.Errorf("%d Login Requests", w.requests)
			}
			if err != nil {
				failed, moved := new(LoginError), new(RedirectError)
				if !errors.As(err, &failed) && !errors.As(err, &moved) || ctx.Err() != nil {
					t.Errorf("%v", err)
				}
				return
			}
			if cfg.CHAP != nil && cfg.CHAP.TargetSecret != "" {
				t.Error("a target without the secret was logged in to")
			}
			lawful(t, s.Info().Params)
			s.Close()
			<-s.Done()
		})
	})
}

// lawful holds what a login agreed on against the ranges of the keys.
func lawful(t *testing.T, p text.Params) {
	for _, v := range []struct {
		key       string
		got       int
		low, high int
	}{
		{"MaxBurstLength", p.MaxBurstLength, 512, 1<<24 - 1}, {"FirstBurstLength", p.FirstBurstLength, 512, p.MaxBurstLength},
		{"MaxConnections", p.MaxConnections, 1, 1}, {"ErrorRecoveryLevel", p.ErrorRecoveryLevel, 0, 0},
		{"MaxOutstandingR2T", p.MaxOutstandingR2T, 1, 8}, {"DefaultTime2Wait", p.DefaultTime2Wait, 0, 3600},
		{"DefaultTime2Retain", p.DefaultTime2Retain, 0, 3600},
		{"MaxRecvDataSegmentLength", p.PeerMaxRecvDataSegmentLength, 512, 1<<24 - 1},
	} {
		if v.got < v.low || v.got > v.high {
			t.Errorf("%s=%d, want %d to %d", v.key, v.got, v.low, v.high)
		}
	}
	if p.HeaderDigest || p.DataDigest {
		t.Error("digests that were not offered")
	}
}
