package probe_test

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"

	"github.com/iscsispec/iscsispec/faults"
	"github.com/iscsispec/iscsispec/internal/leaks"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

func TestMain(m *testing.M) { leaks.Main(m) }

const targetName = "iqn.2001-04.com.example:disk"

var portal = iscsi.Address{Host: "10.0.0.1", Port: 3260}

// peer is a target that does what a test scripts, PDU by PDU.
type peer struct {
	t      *testing.T
	conn   net.Conn
	reader *pdu.Reader
	digest pdu.Digests
	statSN uint32
	cmdSN  uint32 // the next one expected
}

// receive returns the next PDU, or nil at the end of the connection.
func (p *peer) receive() pdu.PDU {
	f, err := p.reader.Read()
	if err != nil {
		if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
			p.t.Logf("the scripted target reads: %v", err)
		}
		return nil
	}
	got, err := f.Decode()
	if err != nil {
		p.t.Errorf("the scripted target decodes: %v", err)
	}
	return got
}

func (p *peer) send(q pdu.PDU) { p.sendFrame(pdu.FrameOf(q)) }

func (p *peer) sendFrame(f *pdu.Frame) { p.raw(f.Append(nil, p.digest)) }

func (p *peer) raw(b []byte) {
	if _, err := p.conn.Write(b); err != nil {
		p.t.Logf("the scripted target writes: %v", err)
	}
}

// status takes the next StatSN.
func (p *peer) status() uint32 { p.statSN++; return p.statSN - 1 }

// answer makes a Login Response of status 0 to a request.
func (p *peer) answer(r *pdu.LoginRequest, keys ...text.Pair) *pdu.LoginResponse {
	p.cmdSN = r.CmdSN
	response := &pdu.LoginResponse{Transit: r.Transit, CSG: r.CSG, NSG: r.NSG, ISID: r.ISID, TSIH: r.TSIH, ITT: r.ITT, StatSN: p.status(),
		ExpCmdSN: p.cmdSN, MaxCmdSN: p.cmdSN + 31, Data: text.Pairs(keys).Append(nil)}
	if r.Transit && r.NSG == pdu.StageFullFeature && r.TSIH == 0 {
		response.TSIH = 7
	}
	return response
}

// login reads one Login Request and answers it with keys.
func (p *peer) login(keys ...text.Pair) *pdu.LoginRequest {
	got := p.receive()
	r, ok := got.(*pdu.LoginRequest)
	if !ok {
		if got != nil {
			p.t.Errorf("the scripted target wanted a Login Request, got a %v", got.Opcode())
		}
		return &pdu.LoginRequest{}
	}
	p.send(p.answer(r, keys...))
	return r
}

// good answers a command with GOOD.
func (p *peer) good(c *pdu.SCSICommand) { p.scsi(c, 0, nil) }

func (p *peer) scsi(c *pdu.SCSICommand, status byte, sense []byte) {
	if !c.Immediate {
		p.cmdSN = c.CmdSN + 1
	}
	p.send(&pdu.SCSIResponse{ITT: c.ITT, Status: status, StatSN: p.status(), ExpCmdSN: p.cmdSN, MaxCmdSN: p.cmdSN + 31, Data: sense})
}

// serve answers until the connection ends: pings, logouts and commands without data, with GOOD.
func (p *peer) serve() {
	for {
		switch q := p.receive().(type) {
		case *pdu.SCSICommand:
			p.good(q)
		case *pdu.NOPOut:
			if q.ITT != pdu.ReservedTag {
				p.send(&pdu.NOPIn{ITT: q.ITT, TTT: pdu.ReservedTag, StatSN: p.status(), ExpCmdSN: p.cmdSN, MaxCmdSN: p.cmdSN + 31, Data: q.Data})
			}
		case *pdu.LogoutRequest:
			p.send(&pdu.LogoutResponse{ITT: q.ITT, StatSN: p.status(), ExpCmdSN: p.cmdSN, MaxCmdSN: p.cmdSN + 31})
			return
		case nil:
			return
		}
	}
}

// in runs a test in a bubble, against a scripted target: each connection is served by the script of its turn, the last one
// by all that follow.
func in(t *testing.T, opts probe.Options, test func(t *testing.T, p *probe.Prober), scripts ...func(*peer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		network := faults.NewNetwork(1, opts.Log, faults.Options{})
		defer network.Close()
		listener, err := network.Host("target", portal.Host).Listen(portal.HostPort())
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			accept(t, listener, scripts)
		}()
		opts.Portal, opts.Target = portal, targetName
		opts.Dialer, opts.Tapped = network.Host("probe", "10.0.0.9"), true
		p := probe.New(t.Context(), opts)
		test(t, p)
		if err := p.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		listener.Close()
		<-done
	})
}

func accept(t *testing.T, listener net.Listener, scripts []func(*peer)) {
	ends := make(chan struct{})
	n := 0
	for ; ; n++ {
		conn, err := listener.Accept()
		if err != nil {
			break
		}
		script := scripts[min(n, len(scripts)-1)]
		go func() {
			defer func() { ends <- struct{}{} }()
			defer conn.Close()
			script(&peer{t: t, conn: conn, reader: pdu.NewReader(conn, pdu.Limits{}), statSN: 100})
		}()
	}
	for range n {
		<-ends
	}
}

// sound grants a login and serves.
func sound(p *peer) {
	p.login(pair("HeaderDigest", "None"), pair("DataDigest", "None"))
	p.serve()
}

func pair(key, value string) text.Pair { return text.Pair{Key: key, Value: value} }

// granted logs in and ends the test where that fails.
func granted(t *testing.T, p *probe.Prober, l probe.Login) *probe.Conn {
	t.Helper()
	r := p.Login(l)
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	return r.Conn
}

// cancelled is a context that has ended.
func cancelled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
