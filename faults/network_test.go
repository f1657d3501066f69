package faults

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/trace"
)

func nopOut(itt uint32, size int) []byte {
	return pdu.Encode(nil, &pdu.NOPOut{ITT: itt, TTT: 0xffffffff, Data: bytes.Repeat([]byte{byte(itt)}, size)}, pdu.Digests{})
}

func portalScope(t *testing.T) Scope {
	t.Helper()
	s, err := AtPortal(portalA)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSeverResetsBothEndsAndLosesWhatIsOnItsWay(t *testing.T) {
	inBubble(t, Options{Latency: time.Second}, func(t *testing.T, p *pair) {
		mustWrite(t, p.dialled, nopOut(1, 8))
		p.network.Sever(portalScope(t))
		for _, c := range []net.Conn{p.dialled, p.accepted} {
			if err := readError(c); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("read %v, want ECONNRESET", err)
			}
		}
	})
}

func TestFinEndsBothEndsBehindTheData(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, p *pair) {
		ping := nopOut(1, 8)
		mustWrite(t, p.dialled, ping)
		p.network.Fin(Everything)
		mustRead(t, p.accepted, ping)
		for _, c := range []net.Conn{p.dialled, p.accepted} {
			if err := readError(c); !errors.Is(err, io.EOF) {
				t.Errorf("read %v, want EOF", err)
			}
		}
		mustWrite(t, p.dialled, ping)
		time.Sleep(time.Second)
		if _, err := p.dialled.Write(ping); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("write to a peer that is gone: %v, want ECONNRESET", err)
		}
	})
}

func TestSilenceHoldsBackUntilHealed(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, p *pair) {
		start := time.Now()
		in := p.run(t, "silence:portal="+portalA+",dir=to-target,at=0s")
		one, two := nopOut(1, 8), nopOut(2, 8)
		mustWrite(t, p.dialled, one)
		mustWrite(t, p.dialled, two)
		mustWrite(t, p.accepted, []byte("the other way is open"))
		mustRead(t, p.dialled, []byte("the other way is open"))
		time.AfterFunc(30*time.Second, func() { p.network.Heal(Everything) })
		mustRead(t, p.accepted, append(one, two...))
		if waited := time.Since(start); waited < 30*time.Second {
			t.Errorf("silence lasted %v, want 30 s", waited)
		}
		if c := in.Counts()[0]; c.Fired != 1 || c.Bites != 2 {
			t.Errorf("it was in force %d times and held %d deliveries back, want 1 and 2", c.Fired, c.Bites)
		}
	})
}

func TestAPlacedCutDeliversTheBytesBeforeItAndNothingAfter(t *testing.T) {
	ping := nopOut(2, 10) // 48 bytes of header, 10 of data, 2 of padding
	for _, tt := range []struct {
		at      string
		arrives int
	}{{"0", 0}, {"20", 20}, {"47", 47}, {"48", 48}, {"ahs", 48}, {"data", 48}, {"data+3", 51}, {"data-digest", 60}, {"end", 60}} {
		for _, writes := range []int{1, 7, 1000} { // bytes a Write: the place in the protocol does not depend on it
			t.Run(fmt.Sprintf("%s by %d", tt.at, writes), func(t *testing.T) {
				inBubble(t, Options{}, func(t *testing.T, p *pair) {
					f, err := Parse("reset:pdu=nop-out,nth=2,byte=" + tt.at)
					if err != nil {
						t.Fatal(err)
					}
					injection, err := p.network.Run(Plan{f})
					if err != nil {
						t.Fatal(err)
					}
					stream := append(append(nopOut(1, 0), ping...), nopOut(3, 0)...)
					for b := stream; len(b) > 0; b = b[min(writes, len(b)):] {
						p.dialled.Write(b[:min(writes, len(b))])
					}
					got, err := io.ReadAll(p.accepted)
					if !errors.Is(err, syscall.ECONNRESET) {
						t.Errorf("it ended with %v, want ECONNRESET", err)
					}
					if want := stream[:48+tt.arrives]; !bytes.Equal(got, want) {
						t.Errorf("%d bytes arrived, want %d", len(got), len(want))
					}
					if err := readError(p.dialled); !errors.Is(err, syscall.ECONNRESET) {
						t.Errorf("the sender read %v, want ECONNRESET", err)
					}
					if c := injection.Counts()[0]; c.Fired != 1 {
						t.Errorf("it fired %d times", c.Fired)
					}
				})
			})
		}
	}
}

func TestPlacedDropCorruptAndDelay(t *testing.T) {
	one, two, three := nopOut(1, 4), nopOut(2, 4), nopOut(3, 4)
	broken := bytes.Clone(two)
	broken[49] ^= 0xff
	for _, tt := range []struct {
		fault string
		want  []byte
		least time.Duration
	}{
		{"drop:pdu=nop-out,nth=2", append(bytes.Clone(one), three...), 0},
		{"corrupt:pdu=nop-out,nth=2,byte=data+1", append(append(bytes.Clone(one), broken...), three...), 0},
		{"delay:pdu=any,nth=2,by=4s", append(append(bytes.Clone(one), two...), three...), 4 * time.Second},
		{"delay:at=0s,by=4s", append(append(bytes.Clone(one), two...), three...), 4 * time.Second},
	} {
		t.Run(tt.fault, func(t *testing.T) {
			inBubble(t, Options{}, func(t *testing.T, p *pair) {
				f, err := Parse(tt.fault)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := p.network.Run(Plan{f}); err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				mustWrite(t, p.dialled, append(append(bytes.Clone(one), two...), three...))
				mustRead(t, p.accepted, tt.want)
				if took := time.Since(start); took < tt.least || took > tt.least+time.Millisecond {
					t.Errorf("it took %v, want %v", took, tt.least)
				}
			})
		})
	}
}

func TestAPlanHappensAtItsInstantsAndCountsWhatFired(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, p *pair) {
		plan, err := ParsePlan("reset:at=10s\nrefuse:portal=" + portalA + ",at=10s,for=20s\nreset:conn=nobody#1,at=11s\nreset:pdu=r2t\n")
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		injection, err := p.network.Run(plan)
		if err != nil {
			t.Fatal(err)
		}
		if err := readError(p.dialled); !errors.Is(err, syscall.ECONNRESET) || time.Since(start).Truncate(time.Millisecond) != 10*time.Second {
			t.Errorf("%v after %v, want a reset after 10 s", err, time.Since(start))
		}
		for time.Since(start) < 29*time.Second {
			if _, err := p.from.DialContext(t.Context(), "tcp", portalA); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("dial after %v: %v, want ECONNREFUSED", time.Since(start), err)
			}
			time.Sleep(5 * time.Second)
		}
		time.Sleep(2 * time.Second)
		c, err := p.from.DialContext(t.Context(), "tcp", portalA)
		if err != nil {
			t.Errorf("dial after the refusal: %v", err)
		} else {
			c.Close()
		}
		counts := injection.Counts()
		if counts[0].Fired != 1 || counts[1].Fired != 1 || counts[1].Bites != 4 || counts[2].Fired != 0 || counts[3].Fired != 0 {
			t.Errorf("counts %+v", counts)
		}
		if idle := injection.Unfired(); len(idle) != 2 {
			t.Errorf("unfired: %v, want the last two", idle)
		}
		var states []string
		for _, e := range p.log.Events().OfKind(trace.KindLink) {
			if e.To == portalA && e.Conn == "" {
				states = append(states, e.State)
			}
		}
		if fmt.Sprint(states) != "[listening refuse heal]" {
			t.Errorf("the portal went through %v", states)
		}
	})
}

func TestScopesReadBackAndCover(t *testing.T) {
	for _, text := range []string{"*", portalA, portalA + "#3", "array", "10.0.0.1"} {
		s, err := ParseScope(text)
		if err != nil || s.String() != text {
			t.Errorf("%q: %v, %v", text, s, err)
		}
		if !Everything.Covers(s) || !s.Covers(s) {
			t.Errorf("%s is not covered", s)
		}
	}
	if !portalScope(t).Covers(Scope{Conn: portalA + "#3"}) || portalScope(t).Covers(Scope{Conn: "10.0.0.1:32600#3"}) {
		t.Error("a portal's connections are covered, and no others")
	}
	if _, err := ParseScope("a b"); err == nil {
		t.Error("a blank in a host name was taken")
	}
}

// exchange lets many requesters talk to one array at once, over connections of their own and over shared ones, and returns the trace.
func exchange(t *testing.T, seed uint64) []byte {
	return exchangeUnder(t, seed, nil, func(t *testing.T, host *Host, number uint32, rounds int) { request(t, host, number, rounds) })
}

// exchangeUnder is an exchange under a plan of faults, by requesters that can bear it.
func exchangeUnder(t *testing.T, seed uint64, plan Plan, request func(t *testing.T, host *Host, number uint32, rounds int)) []byte {
	var text bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		const requesters, rounds = 32, 20
		log := trace.NewLog()
		n := NewNetwork(seed, log, Options{})
		l, err := n.Host("array", "10.0.0.1").Listen(portalA)
		if err != nil {
			t.Fatal(err)
		}
		var served sync.WaitGroup
		served.Go(func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				served.Go(func() { echo(c) })
			}
		})
		host := n.Host("initiator", "10.0.1.1")
		injection, err := n.Run(plan)
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for i := range requesters {
			// Dials of one host at one instant would race for their numbers, so whoever starts goroutines staggers them.
			time.Sleep(time.Nanosecond)
			all.Go(func() { request(t, host, uint32(i), rounds) })
		}
		all.Wait()
		if idle := injection.Unfired(); len(idle) > 0 {
			t.Errorf("never fired: %v", idle)
		}
		n.Close()
		served.Wait()
		if err := trace.WriteJSONL(&text, log.Events()); err != nil {
			t.Fatal(err)
		}
	})
	return text.Bytes()
}

func echo(c net.Conn) {
	defer c.Close()
	r := pdu.NewReader(c, pdu.Limits{})
	for {
		f, err := r.Read()
		if err != nil {
			return
		}
		in := &pdu.NOPIn{ITT: binary.BigEndian.Uint32(f.BHS[16:]), TTT: 0xffffffff, Data: f.Data}
		if _, err := c.Write(pdu.Encode(nil, in, pdu.Digests{})); err != nil {
			return
		}
	}
}

func request(t *testing.T, host *Host, number uint32, rounds int) {
	c, err := host.DialContext(t.Context(), "tcp", portalA)
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	r := pdu.NewReader(c, pdu.Limits{})
	for round := range rounds {
		if _, err := c.Write(nopOut(number, round)); err != nil {
			t.Error(err)
			return
		}
		if _, err := r.Read(); err != nil {
			t.Error(err)
			return
		}
	}
}

func TestOneSeedLeavesOneTrace(t *testing.T) {
	first := exchange(t, 7)
	for run := range 100 {
		if again := exchange(t, 7); !bytes.Equal(first, again) {
			t.Fatalf("run %d left another trace", run+2)
		}
	}
	if bytes.Equal(first, exchange(t, 8)) {
		t.Error("another seed left the same trace")
	}
}

func TestNoTwoDeliveriesShareAnInstant(t *testing.T) {
	seen := map[time.Duration]bool{}
	events, err := trace.ReadJSONL(bytes.NewReader(exchange(t, 3)))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if e.Kind != trace.KindPDUReceived {
			continue
		}
		if seen[e.At] {
			t.Fatalf("two PDUs were received at %v", e.At)
		}
		seen[e.At] = true
		if e.At%Grain == 0 || e.At%Grain == Grain-1 {
			t.Fatalf("a PDU was received at %v, which belongs to others", e.At)
		}
	}
	if len(seen) != 32*20*2 {
		t.Errorf("%d deliveries, want 1280", len(seen))
	}
}

func TestLanesAreGivenBack(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, p *pair) {
		before := p.network.lanes.used
		for range 3 * laneMax {
			c, err := p.from.DialContext(t.Context(), "tcp", portalA)
			if err != nil {
				t.Fatal(err)
			}
			s, err := p.listener.Accept()
			if err != nil {
				t.Fatal(err)
			}
			c.Close()
			s.Close()
		}
		if after := p.network.lanes.used; after != before {
			t.Errorf("%d lanes in use, want %d", after, before)
		}
	})
}
