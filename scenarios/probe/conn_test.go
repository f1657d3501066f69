package probe_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/trace"
)

func TestNoiseIsIgnoredAndPingsAreAnswered(t *testing.T) {
	var answer *pdu.NOPOut
	in(t, probe.Options{}, func(t *testing.T, p *probe.Prober) {
		c := granted(t, p, probe.Login{})
		if err := c.Probe(); err != nil {
			t.Fatal(err)
		}
		if c.Session.MaxCmdSN != 99 {
			t.Errorf("MaxCmdSN %d", c.Session.MaxCmdSN)
		}
	}, func(p *peer) {
		p.login()
		c, _ := p.receive().(*pdu.SCSICommand)
		p.send(&pdu.NOPIn{ITT: pdu.ReservedTag, TTT: pdu.ReservedTag, StatSN: p.statSN, ExpCmdSN: 1, MaxCmdSN: 99})
		p.send(&pdu.NOPIn{ITT: pdu.ReservedTag, TTT: 55, LUN: 3, StatSN: p.statSN, ExpCmdSN: 1, MaxCmdSN: 99})
		p.send(&pdu.AsyncMessage{Event: pdu.AsyncSCSI, StatSN: p.status(), ExpCmdSN: 1, MaxCmdSN: 99})
		answer, _ = p.receive().(*pdu.NOPOut)
		p.good(c)
		p.serve()
	})
	if answer == nil || answer.ITT != pdu.ReservedTag || answer.TTT != 55 || answer.LUN != 3 || !answer.Immediate || answer.ExpStatSN != 101 {
		t.Errorf("%+v", answer)
	}
}

func TestSilence(t *testing.T) {
	in(t, probe.Options{}, func(t *testing.T, p *probe.Prober) {
		c := granted(t, p, probe.Login{})
		began := time.Now()
		if e, silent := c.AwaitSilence(); !silent || time.Since(began) != 2*time.Second {
			t.Errorf("%v after %v", e, time.Since(began))
		}
		// The scripted target speaks after a second more.
		if e, silent := c.AwaitSilence(); silent || !strings.HasPrefix(e.String(), "Async Message") {
			t.Errorf("%v", e)
		}
		d := c.AwaitDrop()
		if !d.Dropped || d.Async == nil || d.Async.Event != pdu.AsyncConnectionDrop || d.Event.Kind != probe.Closed {
			t.Errorf("%+v", d)
		}
		if e := c.Answer(); !e.Ended() {
			t.Errorf("after the end: %v", e)
		}
	}, func(p *peer) {
		p.login()
		time.Sleep(3 * time.Second)
		p.send(&pdu.AsyncMessage{Event: pdu.AsyncNegotiation, StatSN: p.status()})
		time.Sleep(time.Second)
		p.send(&pdu.AsyncMessage{Event: pdu.AsyncConnectionDrop, StatSN: p.status()})
		time.Sleep(5 * time.Second)
	})
}

func TestNoDrop(t *testing.T) {
	in(t, probe.Options{CloseTimeout: 3 * time.Second}, func(t *testing.T, p *probe.Prober) {
		c := granted(t, p, probe.Login{})
		began := time.Now()
		if d := c.AwaitDrop(); d.Dropped || d.Event.Kind != probe.TimedOut || d.String() != "nothing within 3s" || time.Since(began) != 3*time.Second {
			t.Errorf("%v after %v", d, time.Since(began))
		}
	}, sound)
	in(t, probe.Options{}, func(t *testing.T, p *probe.Prober) {
		c := granted(t, p, probe.Login{})
		if d := c.AwaitDropAfterAll(); !d.Dropped || d.Event.Kind != probe.WasReset {
			t.Errorf("%v", d)
		}
	}, func(p *peer) {
		p.login()
		p.send(&pdu.Reject{Reason: pdu.RejectProtocolError, StatSN: p.status()})
		if err := p.conn.(interface{ SetLinger(int) error }).SetLinger(0); err != nil {
			p.t.Error(err)
		}
		time.Sleep(time.Second)
	})
}

func TestEventsOfOtherTasksAreSetAside(t *testing.T) {
	in(t, probe.Options{}, func(t *testing.T, p *probe.Prober) {
		c := granted(t, p, probe.Login{})
		first, second := c.Start(probe.TestUnitReady()), c.Start(probe.TestUnitReady())
		if r := first.Await(); !r.Good() {
			t.Fatal(r)
		}
		// What came in between is still there.
		if r := second.Await(); !r.Good() {
			t.Fatal(r)
		}
		third := c.Start(probe.TestUnitReady())
		if r := third.Await(); r.Answered || r.Rejected() == nil || r.Rejected().Reason != pdu.RejectProtocolError {
			t.Errorf("%v", r)
		}
	}, func(p *peer) {
		p.login()
		a, _ := p.receive().(*pdu.SCSICommand)
		b, _ := p.receive().(*pdu.SCSICommand)
		p.good(b)
		p.good(a)
		c, _ := p.receive().(*pdu.SCSICommand)
		var header pdu.BHS
		c.EncodeBHS(&header)
		p.send(&pdu.Reject{Reason: pdu.RejectProtocolError, StatSN: p.status(), Data: header[:]})
		p.serve()
	})
}

func TestDigestsComeIntoForceWithTheLogin(t *testing.T) {
	in(t, probe.Options{}, func(t *testing.T, p *probe.Prober) {
		c := granted(t, p, probe.Login{Keys: text.Pairs{pair("HeaderDigest", "CRC32C,None"), pair("DataDigest", "CRC32C,None")}})
		if !c.Digests.Header || !c.Digests.Data {
			t.Fatalf("%+v", c.Digests)
		}
		if err := c.Ping([]byte("with digests")); err != nil {
			t.Fatal(err)
		}
		e := c.Answer()
		var digest *pdu.DigestError
		if e.Kind != probe.Arrived || !errors.As(e.Err, &digest) || digest.Segment != pdu.SegmentData {
			t.Errorf("a wrong data digest: %v", e)
		}
		if e := c.Answer(); e.Kind != probe.Garbage {
			t.Errorf("a wrong header digest: %v", e)
		}
		if e := c.Answer(); e.Kind != probe.Closed {
			t.Errorf("after that: %v", e)
		}
	}, func(p *peer) {
		p.login(pair("HeaderDigest", "CRC32C"), pair("DataDigest", "CRC32C"))
		p.digest = pdu.Digests{Header: true, Data: true}
		p.reader.SetDigests(p.digest)
		q, _ := p.receive().(*pdu.NOPOut)
		// Two PDUs in a row: the second must not be read before the first is judged.
		in := &pdu.NOPIn{ITT: q.ITT, TTT: pdu.ReservedTag, StatSN: p.status(), Data: q.Data}
		p.send(in)
		f := pdu.FrameOf(in)
		f.DataDigest = new(uint32(1))
		p.sendFrame(f)
		f = pdu.FrameOf(in)
		f.HeaderDigest = new(uint32(1))
		p.sendFrame(f)
	})
}

func TestWhateverIsSentArrivesAsItIs(t *testing.T) {
	var got []byte
	in(t, probe.Options{}, func(t *testing.T, p *probe.Prober) {
		c, err := p.Dial()
		if err != nil {
			t.Fatal(err)
		}
		f := pdu.FrameOf(&pdu.NOPOut{ITT: 1, TTT: 2, Data: []byte("abc")})
		f.BHS.SetDataSegmentLength(77)
		f.Pad = []byte{9}
		if err := errors.Join(c.SendRaw([]byte{1, 2, 3}), c.SendFrame(f), c.SendAll(f, f)); err != nil {
			t.Fatal(err)
		}
		if err := c.Shut(); err != nil {
			t.Error(err)
		}
		if e := c.Answer(); e.Kind != probe.Closed {
			t.Errorf("%v", e)
		}
	}, func(p *peer) {
		b := make([]byte, 4096)
		for {
			n, err := p.conn.Read(b)
			got = append(got, b[:n]...)
			if err != nil {
				return
			}
		}
	})
	if len(got) != 3+3*52 || got[2] != 3 || got[3+7] != 77 || string(got[3+48:3+52]) != "abc\x09" {
		t.Errorf("%d bytes: %x", len(got), got)
	}
}

func TestInterruptionIsNoTimeout(t *testing.T) {
	in(t, probe.Options{}, func(t *testing.T, p *probe.Prober) {
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errors.New("the check's limit"))
		defer cancel()
		q := probe.New(ctx, p.Options())
		c := granted(t, q, probe.Login{})
		e, silent := c.AwaitSilence()
		if silent || e.Kind != probe.Interrupted || !strings.Contains(e.String(), "the check's limit") {
			t.Errorf("%v, %t", e, silent)
		}
		if err := c.Send(c.NOPOut(nil)); err == nil {
			t.Error("sent after the end")
		}
		if q.Pause(time.Second) || !p.Pause(time.Second) {
			t.Error("Pause does not tell what ended it")
		}
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	}, sound)
}

func TestCloseLogsOutOnce(t *testing.T) {
	logouts := make(chan *pdu.LogoutRequest, 8)
	script := func(p *peer) {
		p.login()
		for {
			switch q := p.receive().(type) {
			case *pdu.LogoutRequest:
				logouts <- q
				p.send(&pdu.LogoutResponse{ITT: q.ITT, StatSN: p.status()})
			case nil:
				return
			}
		}
	}
	in(t, probe.Options{}, func(t *testing.T, p *probe.Prober) {
		granted(t, p, probe.Login{})
		c := granted(t, p, probe.Login{})
		if r, e := c.Logout(pdu.LogoutCloseSession, 1); r == nil {
			t.Error(e)
		}
		if err := granted(t, p, probe.Login{}).Reset(); err != nil {
			t.Error(err)
		}
		if err := errors.Join(p.Close(), p.Close()); err != nil {
			t.Error(err)
		}
	}, script)
	if len(logouts) != 2 {
		t.Errorf("%d logouts, want one by hand and one by Close", len(logouts))
	}
}

func TestTraceTakesNotesAndPDUs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := trace.NewLog()
		near, far := net.Pipe()
		go func() {
			defer far.Close()
			sound(&peer{t: t, conn: far, reader: pdu.NewReader(far, pdu.Limits{})})
		}()
		p := probe.New(t.Context(), probe.Options{Portal: portal, Target: targetName, Log: log,
			Dialer: probe.DialFunc(func(context.Context, string, string) (net.Conn, error) { return near, nil })})
		granted(t, p, probe.Login{})
		p.Note("step %d", 1)
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		sent := log.Events().OfNode(trace.NodeProbe).OfKind(trace.KindPDUSent)
		notes := log.Events().OfKind(trace.KindNote)
		if len(sent) != 2 || sent[0].Conn != "10.0.0.1:3260#1" || len(notes) != 1 || notes[0].Reason != "step 1" {
			t.Errorf("%v, %v", sent, notes)
		}
	})
}

func TestRandomnessIsKeyed(t *testing.T) {
	draw := func(seed uint64, name string) string {
		p := probe.New(context.Background(), probe.Options{Seed: seed, Name: name})
		return p.NewISID().String() + string(p.Random(9))
	}
	first, again := draw(1, "a"), draw(1, "a")
	if first != again || draw(1, "a") == draw(2, "a") || draw(1, "a") == draw(1, "b") {
		t.Error("what is drawn does not follow seed and name")
	}
	if n := len(probe.New(context.Background(), probe.Options{}).Random(13)); n != 13 {
		t.Errorf("%d bytes", n)
	}
}

// TestOverTCP sees the ends of connections as the operating system tells them.
func TestOverTCP(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	scripts := []func(*peer){sound, func(p *peer) { p.receive() }, func(p *peer) {
		p.receive()
		if err := p.conn.(*net.TCPConn).SetLinger(0); err != nil {
			p.t.Error(err)
		}
	}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		accept(t, listener, scripts)
	}()
	address, err := iscsi.ParseAddress(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	p := probe.New(context.Background(), probe.Options{Portal: address, Target: targetName, Dialer: &net.Dialer{}, Log: trace.NewLog()})
	if err := granted(t, p, probe.Login{}).Probe(); err != nil {
		t.Error(err)
	}
	if r := p.Login(probe.Login{}); r.Outcome != probe.LoginDropped || r.Last.Kind != probe.Closed {
		t.Errorf("%v", r)
	}
	if r := p.Login(probe.Login{}); r.Outcome != probe.LoginDropped || r.Last.Kind != probe.WasReset {
		t.Errorf("%v", r)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	listener.Close()
	<-done
}

// TestFloodIsHeldBack has a target send more than the probe keeps, before and after what cannot be understood.
func TestFloodIsHeldBack(t *testing.T) {
	flood := func(p *peer) {
		p.login()
		megabyte := pdu.FrameOf(&pdu.NOPIn{ITT: 1, TTT: pdu.ReservedTag, Data: make([]byte, 1<<20)}).Append(nil, pdu.Digests{})
		for {
			if _, err := p.conn.Write(megabyte); err != nil {
				return
			}
		}
	}
	in(t, probe.Options{}, func(t *testing.T, p *probe.Prober) {
		c := granted(t, p, probe.Login{})
		p.Pause(time.Second)
		for range 100 {
			if e := c.Answer(); e.Kind != probe.Arrived || len(e.Frame.Data) != 1<<20 {
				t.Fatal(e)
			}
		}
		p.Pause(time.Second)
	}, flood)
	in(t, probe.Options{}, func(t *testing.T, p *probe.Prober) {
		c := granted(t, p, probe.Login{})
		if e := c.Answer(); e.Kind != probe.Garbage {
			t.Fatal(e)
		}
		p.Pause(time.Second)
		if e, silent := c.AwaitSilence(); !silent || e.Unframed > 1<<20 {
			t.Errorf("%v", e)
		}
	}, func(p *peer) {
		p.login()
		garbage := bytes.Repeat([]byte{0x7e}, 1<<16)
		for range 500 {
			if _, err := p.conn.Write(garbage); err != nil {
				return
			}
		}
		p.receive()
	})
}
