package faults

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/trace"
)

// fixed is a network of one latency for every delivery, so that a test can say when things arrive. Lanes add up to 8.2 µs.
var fixed = Options{Latency: time.Millisecond, Jitter: -1}

// arrival is one delivery: what one Read got.
type arrival struct {
	at    time.Duration // since the collector began
	bytes int
}

// collect reads a connection until it ends, and gives the deliveries and what they were.
func collect(c net.Conn) (arrivals []arrival, all []byte, err error) {
	start := time.Now()
	b := make([]byte, 1<<20)
	for {
		n, err := c.Read(b)
		if n > 0 {
			arrivals = append(arrivals, arrival{time.Since(start), n})
			all = append(all, b[:n]...)
		}
		if err != nil {
			return arrivals, all, err
		}
	}
}

// lengths are the sizes of deliveries.
func lengths(arrivals []arrival) []int {
	var sizes []int
	for _, a := range arrivals {
		sizes = append(sizes, a.bytes)
	}
	return sizes
}

// near tells whether a duration is another one or at most one lane's width for each of n deliveries later.
func near(got, want time.Duration, n int) bool {
	return got >= want && got <= want+time.Duration(n)*2*laneModulus
}

func (p *pair) run(t *testing.T, lines ...string) *Injection {
	t.Helper()
	var plan Plan
	for _, line := range lines {
		f, err := Parse(line)
		if err != nil {
			t.Fatal(err)
		}
		plan = append(plan, f)
	}
	in, err := p.network.Run(plan)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// counted holds the first faults of an injection to how often they fired, and the trace to the same number of events.
func (p *pair) counted(t *testing.T, in *Injection, fired ...int) {
	t.Helper()
	for i, want := range fired {
		c := in.Counts()[i]
		events := 0
		for _, e := range p.log.Events().OfKind(trace.KindFault) {
			if e.State == c.Fault.String() {
				events++
			}
		}
		if c.Fired != want || events != want {
			t.Errorf("%s fired %d times with %d events, want %d", c.Fault, c.Fired, events, want)
		}
		if idle := slices.Contains(in.Unfired(), c.Fault); idle != (want == 0) {
			t.Errorf("%s is among the unfired: %t", c.Fault, idle)
		}
	}
}

func TestThrottleCarriesSoManyBytesASecond(t *testing.T) {
	inBubble(t, fixed, func(t *testing.T, p *pair) {
		in := p.run(t, "throttle:dir=to-target,at=0s,for=20s,rate=1000", "throttle:portal=10.0.0.7:3260,at=0s,rate=1")
		for i := range 5 {
			mustWrite(t, p.dialled, nopOut(uint32(i), 52)) // 100 bytes
		}
		back := time.Now()
		mustWrite(t, p.accepted, []byte("the other way"))
		mustRead(t, p.dialled, []byte("the other way"))
		if took := time.Since(back); !near(took, time.Millisecond, 1) {
			t.Errorf("the other way took %v, want 1 ms", took)
		}
		time.AfterFunc(30*time.Second, func() {
			mustWrite(t, p.dialled, nopOut(9, 52))
			p.dialled.Close()
		})
		got, _, err := collect(p.accepted)
		if !errors.Is(err, io.EOF) || len(got) != 6 {
			t.Fatalf("%d deliveries, then %v", len(got), err)
		}
		for i, a := range got[:5] {
			if want := time.Duration(i+1) * 100 * time.Millisecond; !near(a.at, want, 5) {
				t.Errorf("delivery %d came after %v, want %v", i, a.at, want)
			}
		}
		if healed := got[5].at; healed < 30*time.Second || healed > 30*time.Second+2*time.Millisecond {
			t.Errorf("after the throttle it took until %v, want 30 s and the latency", healed)
		}
		p.counted(t, in, 1, 0)
		if bites := in.Counts()[0].Bites; bites != 5 {
			t.Errorf("%d deliveries were throttled, want 5", bites)
		}
	})
}

func TestJitterKeepsTheOrderAndIsTheSeeds(t *testing.T) {
	run := func(seed uint64) (late []time.Duration) {
		inBubble(t, fixed, func(t *testing.T, p *pair) {
			p.network.seed = seed
			in := p.run(t, "jitter:at=0s,by=80ms")
			for i := range 20 {
				one := nopOut(uint32(i), 4)
				mustWrite(t, p.dialled, one)
				got := make([]byte, len(one))
				start := time.Now()
				if _, err := io.ReadFull(p.accepted, got); err != nil || !bytes.Equal(got, one) {
					t.Fatalf("PDU %d: %x, %v", i, got, err)
				}
				late = append(late, time.Since(start)-time.Millisecond)
			}
			p.counted(t, in, 1)
			if bites := in.Counts()[0].Bites; bites != 20 {
				t.Errorf("%d deliveries, want 20", bites)
			}
		})
		return late
	}
	one, two := run(1), run(2)
	if slices.Equal(one, two) {
		t.Error("two seeds draw the same")
	}
	if again := run(1); !slices.Equal(one, again) {
		t.Error("one seed draws differently")
	}
	if least, most := slices.Min(one), slices.Max(one); least < 0 || least > 30*time.Millisecond || most < 50*time.Millisecond || most > 81*time.Millisecond {
		t.Errorf("from %v to %v later, want something all over 0 to 80 ms", least, most)
	}
}

func TestSplitAndCoalesceChangeSegmentsAndNoBytes(t *testing.T) {
	wire := slices.Concat(nopOut(1, 8), nopOut(2, 8), nopOut(3, 8)) // 56 bytes each
	for _, tt := range []struct {
		fault string
		sizes []int
		fired int
	}{
		{"split:at=0s,size=40", []int{40, 16, 40, 16, 40, 16}, 1},
		{"split:dir=to-initiator,at=0s,size=40", []int{56, 56, 56}, 0},
		{"split:at=0s,size=1000", []int{56, 56, 56}, 0},
		{"split:pdu=nop-out,nth=2,size=20", []int{56, 20, 20, 16, 56}, 1},
		{"split:pdu=nop-out,each=2,byte=data+3", []int{51, 5, 56, 51, 5}, 2},
		{"split:pdu=nop-out,byte=0", nil, 0},
		{"split:pdu=nop-out,byte=48,by=1s", []int{48, 8, 56, 56}, 1},
		{"coalesce:at=0s,by=5ms", []int{168}, 1},
		{"coalesce:at=0s,by=5ms,size=120", []int{112, 56}, 1},
		{"coalesce:pdu=nop-out,nth=2,by=5ms", []int{56, 112}, 1},
		{"coalesce:pdu=nop-out,nth=3,by=5ms", []int{56, 56, 56}, 0},
		{"coalesce:pdu=nop-out,each=1,by=5ms", []int{168}, 2},
	} {
		t.Run(tt.fault, func(t *testing.T) {
			if tt.sizes == nil {
				if _, err := Parse(tt.fault); err == nil {
					t.Error("it was taken, though it splits nothing")
				}
				return
			}
			inBubble(t, fixed, func(t *testing.T, p *pair) {
				in := p.run(t, tt.fault)
				mustWrite(t, p.dialled, wire)
				time.AfterFunc(time.Minute, func() { p.dialled.Close() })
				arrivals, got, _ := collect(p.accepted)
				if !bytes.Equal(got, wire) {
					t.Errorf("%x arrived", got)
				}
				if sizes := lengths(arrivals); !slices.Equal(sizes, tt.sizes) {
					t.Errorf("segments of %v bytes, want %v", sizes, tt.sizes)
				}
				if gap := in.Counts()[0].Fault; gap.Verb == Split && gap.By > 0 {
					if waited := arrivals[1].at - arrivals[0].at; !near(waited, gap.By, 2) {
						t.Errorf("%v between the segments, want %v", waited, gap.By)
					}
				}
				p.counted(t, in, tt.fired)
			})
		})
	}
}

func TestCorruptTruncateAndDropChangeOnePDU(t *testing.T) {
	one, two, three := nopOut(1, 6), nopOut(2, 6), nopOut(3, 6) // 48 of header, 6 of data, 2 of padding
	changed := func(at int, mask byte) []byte {
		b := bytes.Clone(two)
		b[at] ^= mask
		return b
	}
	for _, tt := range []struct {
		fault string
		two   []byte
		fired int
	}{
		{"corrupt:pdu=nop-out,nth=2,byte=data+2,bit=0", changed(50, 0x80), 1},
		{"corrupt:pdu=nop-out,nth=2,byte=20,bit=7", changed(20, 0x01), 1},
		{"corrupt:pdu=nop-out,nth=2,byte=padding+1,mask=0x81", changed(55, 0x81), 1},
		{"corrupt:pdu=nop-out,nth=2,byte=54", changed(54, 0xff), 1},
		{"corrupt:pdu=nop-out,nth=2,byte=data-digest", two, 0}, // it has none
		{"corrupt:pdu=nop-out,nth=2,byte=1000", two, 0},
		{"truncate:pdu=nop-out,nth=2,byte=data+1", two[:49], 1},
		{"truncate:pdu=nop-out,nth=2,byte=48", two[:48], 1},
		{"truncate:pdu=nop-out,nth=2", nil, 1},
		{"truncate:pdu=nop-out,nth=2,byte=56", two, 0},
		{"drop:pdu=nop-out,nth=2", nil, 1},
		{"drop:pdu=nop-in,nth=2", two, 0},
		{"drop:dir=to-initiator,pdu=any,nth=2", two, 0},
	} {
		for _, writes := range []int{1, 13, 1000} {
			t.Run(fmt.Sprintf("%s by %d", tt.fault, writes), func(t *testing.T) {
				inBubble(t, fixed, func(t *testing.T, p *pair) {
					in := p.run(t, tt.fault)
					for b := slices.Concat(one, two, three); len(b) > 0; b = b[min(writes, len(b)):] {
						mustWrite(t, p.dialled, b[:min(writes, len(b))])
					}
					p.dialled.Close()
					_, got, err := collect(p.accepted)
					if want := slices.Concat(one, tt.two, three); !bytes.Equal(got, want) || !errors.Is(err, io.EOF) {
						t.Errorf("%d bytes arrived and %v, want %d and the end", len(got), err, len(want))
					}
					p.counted(t, in, tt.fired)
				})
			})
		}
	}
}

func TestAStallCarriesSoManyBytesAndHeals(t *testing.T) {
	for _, tt := range []struct {
		fault, heal string
		first       int
	}{
		{"stall:dir=to-target,at=0s,for=10s,after=60", "", 60},
		{"stall:dir=to-target,at=0s,after=60", "heal:at=10s", 60},
		{"stall:host=array,at=0s,after=48", "heal:host=array,at=10s", 48},
		{"stall:at=0s", "heal:portal=10.0.0.1:3260,at=10s", 0},
	} {
		t.Run(tt.fault, func(t *testing.T) {
			inBubble(t, fixed, func(t *testing.T, p *pair) {
				if tt.fault == "stall:at=0s" { // a portal's heal covers its connections, and not what was done to the whole network
					tt.fault = "stall:portal=10.0.0.1:3260,at=0s"
				}
				plan := []string{tt.fault, "stall:dir=to-target,at=0s,after=1000"}
				if tt.heal != "" {
					plan = append(plan, tt.heal)
				}
				in := p.run(t, plan...)
				wire := slices.Concat(nopOut(1, 0), nopOut(2, 0), nopOut(3, 0))
				start := time.Now()
				mustWrite(t, p.dialled, wire)
				if tt.first > 0 {
					mustRead(t, p.accepted, wire[:tt.first])
				}
				if early := time.Since(start); early > 2*time.Millisecond {
					t.Errorf("the first bytes took %v", early)
				}
				mustRead(t, p.accepted, wire[tt.first:])
				if took := time.Since(start); took < 10*time.Second || took > 10*time.Second+2*time.Millisecond {
					t.Errorf("it stalled until %v, want 10 s", took)
				}
				p.counted(t, in, 1, 0)
				c, err := p.from.DialContext(t.Context(), "tcp", portalA)
				if err != nil {
					t.Fatalf("a stall leaves dials alone: %v", err)
				}
				c.Close()
			})
		})
	}
}

func TestAPlacedSilenceHasADirectionOfItsOwn(t *testing.T) {
	inBubble(t, fixed, func(t *testing.T, p *pair) {
		in := p.run(t, "silence:dir=to-initiator,pdu=nop-out,nth=2,byte=20,for=7s")
		start := time.Now()
		wire := slices.Concat(nopOut(1, 0), nopOut(2, 0), nopOut(3, 0))
		mustWrite(t, p.dialled, wire)
		mustRead(t, p.accepted, wire)
		if took := time.Since(start); took > 2*time.Millisecond {
			t.Errorf("the open direction took %v", took)
		}
		mustWrite(t, p.accepted, []byte("an answer"))
		mustRead(t, p.dialled, []byte("an answer"))
		if took := time.Since(start); took < 7*time.Second || took > 7*time.Second+3*time.Millisecond {
			t.Errorf("the silence lasted %v, want 7 s", took)
		}
		p.counted(t, in, 1)
	})
}

func TestAMoveIsAnsweredByAnotherMachine(t *testing.T) {
	inBubble(t, fixed, func(t *testing.T, p *pair) {
		const portalB = "10.0.0.2:3260"
		other, err := p.network.Host("second", "10.0.0.8").Listen(portalB)
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		in := p.run(t, "move:portal="+portalA+",at=1s,for=10s,to="+portalB, "move:portal=10.0.0.5:3260,at=1s,to="+portalA)
		if err := readError(p.dialled); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the old connection: %v, want a reset", err)
		}
		reach := func(l net.Listener, address string) (near, far net.Conn) {
			t.Helper()
			near, err := p.from.DialContext(t.Context(), "tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			if far, err = l.Accept(); err != nil {
				t.Fatal(err)
			}
			mustWrite(t, near, []byte("hello"))
			mustRead(t, far, []byte("hello"))
			return near, far
		}
		near, far := reach(other, portalA)
		if got := far.LocalAddr().String(); got != portalA {
			t.Errorf("the machine that answers has the address %s, want the one that was dialled", got)
		}
		straight, peer := reach(other, portalB)
		defer straight.Close()
		defer peer.Close()
		if err := readError(near); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("when the address goes back: %v, want a reset", err)
		}
		far.Close()
		near.Close()
		near, far = reach(p.listener, portalA)
		near.Close()
		far.Close()
		p.counted(t, in, 1, 0)
		if bites := in.Counts()[0].Bites; bites != 3 { // two connections cut, one dial diverted
			t.Errorf("%d bites, want 3", bites)
		}
		var told []string
		for _, e := range p.log.Events().OfKind(trace.KindLink) {
			if e.State == stateMoved {
				told = append(told, e.To)
			}
		}
		if !slices.Equal(told, []string{"10.0.0.5:3260", portalA, portalA}) && !slices.Equal(told, []string{portalA, "10.0.0.5:3260", portalA}) {
			t.Errorf("moves told for %v", told)
		}
	})
}

func TestAMoveToWhereNobodyListensIsRefused(t *testing.T) {
	inBubble(t, fixed, func(t *testing.T, p *pair) {
		p.run(t, "move:portal="+portalA+",at=0s,to=10.0.0.9:3260")
		if _, err := p.from.DialContext(t.Context(), "tcp", portalA); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("%v, want ECONNREFUSED by the machine at 10.0.0.9", err)
		}
		p.run(t, "heal:at=0s", "move:portal="+portalA+",at=0s,to=10.0.0.77:3260")
		if _, err := p.from.DialContext(t.Context(), "tcp", portalA); !errors.Is(err, syscall.EHOSTUNREACH) {
			t.Errorf("%v, want EHOSTUNREACH", err)
		}
		p.run(t, "heal:at=0s", "move:portal=10.0.0.3:3260,at=0s,to="+portalA, "refuse:portal="+portalA+",at=0s")
		if _, err := p.from.DialContext(t.Context(), "tcp", "10.0.0.3:3260"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("%v, want the refusal of the portal that the address has moved to", err)
		}
	})
}

func TestTimedFaultsRepeat(t *testing.T) {
	inBubble(t, fixed, func(t *testing.T, p *pair) {
		in := p.run(t, "refuse:at=2s,for=3s,every=10s,times=3", "reset:at=1s,every=10s,times=2", "delay:at=0s,for=1s,every=1m,by=5ms")
		start := time.Now()
		for time.Since(start) < 55*time.Second {
			time.Sleep(time.Second)
			at := time.Since(start).Round(time.Millisecond)
			c, err := p.from.DialContext(t.Context(), "tcp", portalA)
			if err == nil {
				c.Close()
				s, err := p.listener.Accept()
				if err != nil {
					t.Fatal(err)
				}
				s.Close()
			}
			phase := at % (10 * time.Second)
			if want := at < 30*time.Second && phase >= 2*time.Second && phase < 5*time.Second; errors.Is(err, syscall.ECONNREFUSED) != want {
				t.Errorf("at %v: %v, refused should be %t", at, err, want)
			}
		}
		p.counted(t, in, 3, 1, 0)
		if bites := in.Counts()[0].Bites; bites != 9 {
			t.Errorf("%d dials refused, want 9", bites)
		}
	})
}

func TestPlacedFaultsRepeatAndHeal(t *testing.T) {
	for _, tt := range []struct {
		fault string
		gone  []uint32
	}{
		{"drop:pdu=nop-out,each=3", []uint32{0, 3, 6, 9}},
		{"drop:pdu=nop-out,nth=3,each=3,times=2", []uint32{2, 5}},
		{"drop:pdu=any,if=itt>=0x4&itt<0x6,each=1", []uint32{4, 5}},
		{"drop:pdu=nop-out,if=itt!=0x0&!immediate&final&length=4,nth=4", []uint32{4}},
		{"drop:pdu=nop-out,if=immediate", nil},
		{"drop:pdu=nop-out,chance=1,times=2", []uint32{0, 1}},
	} {
		t.Run(tt.fault, func(t *testing.T) {
			inBubble(t, fixed, func(t *testing.T, p *pair) {
				in := p.run(t, tt.fault, "heal:at=1m")
				var want []byte
				for i := range uint32(10) {
					mustWrite(t, p.dialled, nopOut(i, 4))
					if !slices.Contains(tt.gone, i) {
						want = append(want, nopOut(i, 4)...)
					}
				}
				mustRead(t, p.accepted, want)
				p.counted(t, in, len(tt.gone))
				time.Sleep(2 * time.Minute)
				for i := range uint32(10) {
					mustWrite(t, p.dialled, nopOut(i, 4))
					mustRead(t, p.accepted, nopOut(i, 4))
				}
			})
		})
	}
}

func TestChanceIsDrawnFromTheSeed(t *testing.T) {
	f := Fault{Verb: Drop, PDU: anyPDU, Chance: 0.25}
	draw := func(seed uint64) (struck []int) {
		a, err := Arm(f, seed)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 4000 {
			if a.Strikes([]byte{0}, nil) {
				struck = append(struck, i)
			}
		}
		return struck
	}
	one := draw(1)
	if !slices.Equal(one, draw(1)) || slices.Equal(one, draw(2)) {
		t.Error("the draw is not the seed's")
	}
	if n := len(one); n < 900 || n > 1100 {
		t.Errorf("%d of 4000 struck, want about 1000", n)
	}
}

func TestSeveralFaultsStrikeOnePDU(t *testing.T) {
	inBubble(t, fixed, func(t *testing.T, p *pair) {
		ping := nopOut(1, 8)
		in := p.run(t, "reset:pdu=nop-out,byte=data+6", "corrupt:pdu=any,byte=3", "split:pdu=nop-out,byte=20", "fin:pdu=nop-out,byte=data+7",
			"corrupt:pdu=nop-out,byte=data+7")
		mustWrite(t, p.dialled, slices.Concat(ping, ping))
		arrivals, got, err := collect(p.accepted)
		want := bytes.Clone(ping[:54])
		want[3] ^= 0xff
		if !bytes.Equal(got, want) || !errors.Is(err, syscall.ECONNRESET) || !slices.Equal(lengths(arrivals), []int{20, 34}) {
			t.Errorf("%v bytes, %x, %v", lengths(arrivals), got, err)
		}
		p.counted(t, in, 1, 1, 1, 0, 0)
	})
}

func TestAPredicateOnATextKeyWaitsForTheText(t *testing.T) {
	login := func(itt uint32, text string) []byte {
		return pdu.Encode(nil, &pdu.LoginRequest{ITT: itt, CSG: pdu.StageOperational, NSG: pdu.StageFullFeature, Transit: true, Data: []byte(text)}, pdu.Digests{})
	}
	for _, writes := range []int{1, 1000} {
		inBubble(t, fixed, func(t *testing.T, p *pair) {
			in := p.run(t, "drop:pdu=login-request,if=csg=1&key.HeaderDigest=CRC32C%2cNone", "drop:pdu=any,if=key.SendTargets")
			wire := slices.Concat(login(1, "HeaderDigest=None\x00"), login(2, "MaxBurstLength=1\x00HeaderDigest=CRC32C,None\x00"), login(3, ""))
			for b := wire; len(b) > 0; b = b[min(writes, len(b)):] {
				mustWrite(t, p.dialled, b[:min(writes, len(b))])
			}
			mustRead(t, p.accepted, slices.Concat(login(1, "HeaderDigest=None\x00"), login(3, "")))
			mustWrite(t, p.dialled, login(4, "unfinished")[:50])
			p.dialled.Close()
			if _, rest, err := collect(p.accepted); len(rest) != 50 || !errors.Is(err, io.EOF) {
				t.Errorf("%d bytes of the unfinished PDU and %v, want 50 and the end", len(rest), err)
			}
			p.counted(t, in, 1, 0)
		})
	}
}

func TestSilencesOfConnectionsThatAreGoneLeaveNoRules(t *testing.T) {
	inBubble(t, fixed, func(t *testing.T, p *pair) {
		in := p.run(t, "silence:pdu=nop-out,each=1,byte=end", "stall:dir=to-initiator,at=0s,after=3")
		for range 50 {
			mustWrite(t, p.dialled, nopOut(1, 0))
			mustWrite(t, p.accepted, []byte("hello"))
			time.Sleep(time.Second)
			p.dialled.Close()
			p.accepted.Close()
			p.connect(t)
		}
		p.counted(t, in, 50, 1)
		if c := in.Counts()[1]; c.Bites != 50 {
			t.Errorf("%d connections stalled, want 50", c.Bites)
		}
		if n := len(p.network.rules); n != 1 {
			t.Errorf("%d rules in force, want the stall alone", n)
		}
	})
}

func TestWhatTheDocumentationSaysParses(t *testing.T) {
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for line := range strings.Lines(string(text)) {
		word, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "//\t"), " ")
		if verb, _, is := strings.Cut(word, ":"); !is || !slices.Contains(Verbs(), Verb(verb)) {
			continue
		}
		found++
		if f, err := Parse(word); err != nil || f.String() != word {
			t.Errorf("%s: %s, %v", word, f, err)
		}
	}
	if found < 10 {
		t.Errorf("only %d faults in the documentation", found)
	}
}
