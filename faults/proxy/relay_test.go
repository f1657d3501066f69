package proxy

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/iscsispec/iscsispec/faults"
	"github.com/iscsispec/iscsispec/internal/leaks"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

func TestMain(m *testing.M) { leaks.Main(m) }

// patience bounds what a test waits for on the wall clock; nothing is judged by it.
const patience = time.Minute

// arrayListening is an array of which only the listener is there.
func arrayListening(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func addressOf(t testing.TB, text string) iscsi.Address {
	t.Helper()
	a, err := iscsi.ParseAddress(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func started(t testing.TB, o Options) *Proxy {
	t.Helper()
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func inFrontOf(t testing.TB, l net.Listener) *Proxy {
	return started(t, Options{To: []To{{Array: addressOf(t, l.Addr().String())}}})
}

func planOf(t testing.TB, text string) faults.Plan {
	t.Helper()
	plan, err := faults.ParsePlan(text)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

func run(t testing.TB, p *Proxy, text string) {
	t.Helper()
	if err := p.Run(planOf(t, text)); err != nil {
		t.Fatal(err)
	}
}

// pair is a connection through a proxy: the initiator's end and the array's.
func pair(t testing.TB, p *Proxy, l net.Listener) (near, far *net.TCPConn) {
	t.Helper()
	near = dial(t, p)
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	far = c.(*net.TCPConn)
	for _, c := range []*net.TCPConn{near, far} {
		_ = c.SetDeadline(time.Now().Add(patience))
		t.Cleanup(func() { c.Close() })
	}
	return near, far
}

func dial(t testing.TB, p *Proxy) *net.TCPConn {
	t.Helper()
	c, err := net.DialTimeout("tcp", p.Portals()[0].Address, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c.(*net.TCPConn)
}

// inPieces writes bytes in pieces of random lengths, and ends the direction.
func inPieces(c *net.TCPConn, b []byte, seed uint64, most int) error {
	random := rand.New(rand.NewPCG(seed, 1))
	for len(b) > 0 {
		n := min(len(b), 1+random.IntN(most))
		if _, err := c.Write(b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return c.CloseWrite()
}

// streams draws what the two ends of a connection say: logins with any digests, PDUs of all kinds, garbage at the end.
func streams(t *rapid.T) (out, in []byte) {
	d := pdu.Digests{Header: rapid.Bool().Draw(t, "header digest"), Data: rapid.Bool().Draw(t, "data digest")}
	value := map[bool]string{true: "CRC32C", false: "None"}
	keys := []byte("HeaderDigest=" + value[d.Header] + "\x00DataDigest=" + value[d.Data] + "\x00")
	out = pdu.Encode(nil, &pdu.LoginRequest{Transit: true, CSG: pdu.StageOperational, NSG: pdu.StageFullFeature, Data: keys}, pdu.Digests{})
	in = pdu.Encode(nil, &pdu.LoginResponse{Transit: true, CSG: pdu.StageOperational, NSG: pdu.StageFullFeature, Data: keys}, pdu.Digests{})
	data := rapid.SliceOfN(rapid.Byte(), 0, 3000)
	for range rapid.IntRange(0, 12).Draw(t, "PDUs") {
		switch rapid.IntRange(0, 4).Draw(t, "kind") {
		case 0:
			out = pdu.Encode(out, &pdu.NOPOut{ITT: 1, Data: data.Draw(t, "ping")}, d)
		case 1:
			out = pdu.Encode(out, &pdu.SCSICommand{ITT: 2, AHS: pdu.AppendAHS(nil, pdu.AHS{Type: pdu.AHSExtendedCDB, Specific: []byte{0, 1, 2, 3}}), Data: data.Draw(t, "immediate")}, d)
		case 2:
			in = pdu.Encode(in, &pdu.DataIn{ITT: 2, Data: bytes.Repeat([]byte{7}, rapid.IntRange(0, 300<<10).Draw(t, "Data-In"))}, d)
		case 3:
			in = pdu.Encode(in, &pdu.TextResponse{ITT: 3, Final: true, TTT: pdu.ReservedTag, Data: data.Draw(t, "text")}, d)
		case 4:
			in = append(in, data.Draw(t, "garbage")...)
		}
	}
	return out, append(in, in[:rapid.IntRange(0, len(in)).Draw(t, "cut")]...)
}

// What one end sends reaches the other byte by byte, in both directions at once and however it is cut, half-closes included.
func TestTheRelayIsExact(t *testing.T) {
	l := arrayListening(t)
	p := inFrontOf(t, l)
	watched := started(t, Options{To: []To{{Array: addressOf(t, l.Addr().String())}}})
	run(t, watched, "reset:pdu=any,if=length=16777213\ndrop:pdu=any,nth=1000000\ncorrupt:pdu=text-response,if=key.None=1")
	rapid.Check(t, func(rt *rapid.T) {
		out, in := streams(rt)
		seed, most := rapid.Uint64().Draw(rt, "seed"), rapid.SampledFrom([]int{1, 7, 100, 5000, 1 << 20}).Draw(rt, "piece")
		if most == 1 {
			out, in = out[:min(len(out), 2000)], in[:min(len(in), 2000)]
		}
		through := rapid.SampledFrom([]*Proxy{p, watched}).Draw(rt, "proxy")
		near, far := pair(t, through, l)
		defer near.Close()
		defer far.Close()
		sent := make(chan error, 2)
		go func() { sent <- inPieces(near, out, seed, most) }()
		go func() {
			// The target answers what it has seen: the login at least.
			if _, err := io.ReadFull(far, make([]byte, min(len(out), 48))); err != nil {
				sent <- err
				return
			}
			sent <- inPieces(far, in, seed+1, most)
		}()
		gotIn, err := io.ReadAll(near)
		if err != nil || !bytes.Equal(gotIn, in) {
			rt.Fatalf("the initiator reads %d bytes of %d (%v), equal up to %d", len(gotIn), len(in), err, common(gotIn, in))
		}
		gotOut, err := io.ReadAll(far)
		if err != nil || !bytes.Equal(gotOut, out[48:]) {
			rt.Fatalf("the target reads %d bytes of %d (%v)", len(gotOut), len(out)-48, err)
		}
		for range 2 {
			if err := <-sent; err != nil {
				rt.Fatal(err)
			}
		}
	})
}

func common(a, b []byte) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}
