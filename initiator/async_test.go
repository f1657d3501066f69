package initiator

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// sessionEnd logs in, lets the target do something, and returns the loss and how long after the login it came.
func sessionEnd(t *testing.T, cfg LoginConfig, serve func(e *fakeEnd), limits ...string) (l Loss, after time.Duration) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, script(serve, limits...))
		s := mustLogin(t, n, cfg)
		start := time.Now()
		<-s.Done()
		l, after = s.Loss(), s.Loss().At.Sub(start)
	})
	return l, after
}

func TestLogoutAtTheTargetsRequest(t *testing.T) {
	for _, given := range []uint16{1, 5, 60} {
		bubble(t, func(t *testing.T, n *fakeNetwork) {
			n.at(portalA, script(func(e *fakeEnd) {
				read := expect[*pdu.SCSICommand](e)
				e.write(&pdu.AsyncMessage{Event: pdu.AsyncLogoutRequest, Parameter3: given})
				start := time.Now()
				p := expect[*pdu.LogoutRequest](e)
				if wait := time.Since(start); wait > time.Duration(given)*time.Second/2 || wait > drainLimit {
					t.Errorf("logout %v after a request within %d s", wait, given)
				}
				e.good(read.ITT)
				e.write(&pdu.LogoutResponse{ITT: p.ITT, Time2Wait: 7})
				e.read()
			}))
			s := mustLogin(t, n, config())
			r := &Request{CDB: make([]byte, 6)}
			if err := s.Do(t.Context(), r); err != nil {
				t.Errorf("the command that was on its way: %v", err)
			}
			if err := s.Do(t.Context(), r); !errors.Is(err, ErrTransportLost) || r.Sent {
				t.Errorf("a command after the event: %v, sent %v", err, r.Sent)
			}
			<-s.Done()
			if l := s.Loss(); !errors.Is(l.Cause, ErrAsyncLogout) || !l.Planned || l.Async != 1 || l.Time2Wait != 0 {
				t.Errorf("loss %+v", l)
			}
		})
	}
}

func TestIdleLogoutAtTheTargetsRequestIsAtOnce(t *testing.T) {
	l, after := sessionEnd(t, config(), func(e *fakeEnd) {
		e.write(&pdu.AsyncMessage{Event: pdu.AsyncLogoutRequest, Parameter3: 60})
		p := expect[*pdu.LogoutRequest](e)
		e.write(&pdu.LogoutResponse{ITT: p.ITT, Response: pdu.LogoutCleanupFailed, Time2Wait: 7, Time2Retain: 20})
		e.read()
	})
	if after != 0 || l.Time2Wait != 7*time.Second || !errors.Is(l.Cause, ErrAsyncLogout) {
		t.Errorf("after %v: %+v", after, l)
	}
}

func TestAnnouncedDrops(t *testing.T) {
	message := func(event pdu.AsyncEvent, cid uint16) *pdu.AsyncMessage {
		return &pdu.AsyncMessage{Event: event, Parameter1: cid, Parameter2: 6, Parameter3: 20}
	}
	for name, c := range map[string]struct {
		message *pdu.AsyncMessage
		linger  time.Duration // How long the target keeps the connection.
		wait    time.Duration
		async   byte
		after   time.Duration
	}{
		"connection":          {message(pdu.AsyncConnectionDrop, 9), 200 * time.Millisecond, 6 * time.Second, 2, 200 * time.Millisecond},
		"another connection":  {message(pdu.AsyncConnectionDrop, 8), time.Second, 0, 0, time.Second},
		"session":             {message(pdu.AsyncSessionDrop, 0), time.Second, 6 * time.Second, 3, time.Second},
		"never ended by them": {message(pdu.AsyncSessionDrop, 0), time.Hour, 6 * time.Second, 3, 6 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config()
			cfg.CID = 9
			l, after := sessionEnd(t, cfg, func(e *fakeEnd) {
				e.write(c.message)
				timer := time.AfterFunc(c.linger, func() { e.Close() })
				e.read()
				timer.Stop()
			})
			if l.Time2Wait != c.wait || l.Async != c.async || l.Planned != (c.async != 0) || after != c.after {
				t.Errorf("after %v: %+v", after, l)
			}
			if errors.Is(l.Cause, ErrAsyncDrop) != (c.async != 0) {
				t.Errorf("cause %v", l.Cause)
			}
		})
	}
}

func TestAsyncMessagesAreReported(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, script(func(e *fakeEnd) {
			e.write(&pdu.AsyncMessage{Event: pdu.AsyncSCSI, LUN: 5, Data: pdu.SenseSegment([]byte{0x70, 0, 6})})
			e.write(&pdu.AsyncMessage{Event: pdu.AsyncVendor, VendorCode: 3})
			e.write(&pdu.AsyncMessage{Event: 77})
			e.disk(make([]byte, 512), nil)
		}))
		var seen []AsyncEvent
		cfg := config()
		cfg.OnAsync = func(e AsyncEvent) { seen = append(seen, e) }
		s := mustLogin(t, n, cfg)
		time.Sleep(time.Second)
		if err := s.Do(t.Context(), readRequest(0, 512)); err != nil {
			t.Error(err)
		}
		if len(seen) != 3 || seen[0].LUN != 5 || !bytes.Equal(seen[0].Sense, []byte{0x70, 0, 6}) || seen[1].VendorCode != 3 {
			t.Errorf("seen %+v", seen)
		}
	})
}

func TestNegotiationAtTheTargetsRequest(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, script(func(e *fakeEnd) {
			e.write(&pdu.AsyncMessage{Event: pdu.AsyncNegotiation, Parameter3: 3})
			p := expect[*pdu.TextRequest](e)
			if got := textOf(p.Data).String(); !strings.HasPrefix(got, "MaxRecvDataSegmentLength=") || p.TTT != pdu.ReservedTag || !p.Final {
				t.Errorf("text request %+v", p)
			}
			e.write(&pdu.TextResponse{ITT: p.ITT, TTT: 5, LUN: 3, Data: base("MaxRecvDataSegmentLength=512", "X-com.example.t=1").Append(nil)})
			q := expect[*pdu.TextRequest](e)
			if got := textOf(q.Data).String(); !strings.Contains(got, "X-com.example.t=NotUnderstood") || q.TTT != 5 || q.ITT != p.ITT || q.LUN != 3 {
				t.Errorf("second text request %+v with %s", q, got)
			}
			e.write(&pdu.TextResponse{Final: true, ITT: p.ITT, TTT: pdu.ReservedTag})
			w := expect[*pdu.SCSICommand](e)
			if len(w.Data) != 512 {
				t.Errorf("immediate data of %d bytes", len(w.Data))
			}
			e.write(&pdu.SCSIResponse{ITT: w.ITT, Underflow: true, ResidualCount: 512})
			e.disk(nil, nil)
		}))
		s := mustLogin(t, n, config())
		time.Sleep(time.Second)
		if s.Info().Params.PeerMaxRecvDataSegmentLength != 512 {
			t.Errorf("limit %d", s.Info().Params.PeerMaxRecvDataSegmentLength)
		}
		r := writeRequest(0, make([]byte, 1024))
		if err := s.Do(t.Context(), r); err != nil || r.Transferred != 512 {
			t.Errorf("%v, %d", err, r.Transferred)
		}
	})
}
