package proxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/iscsispec/iscsispec/faults"
	"github.com/iscsispec/iscsispec/internal/serving"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/trace"
)

// ping is a PDU of 64 bytes, told apart by its tag.
func ping(tag byte) []byte {
	return pdu.Encode(nil, &pdu.NOPIn{ITT: uint32(tag), TTT: pdu.ReservedTag, Data: bytes.Repeat([]byte{tag}, 16)}, pdu.Digests{})
}

// ending is how a connection ended for who read it.
func ending(err error) string {
	switch {
	case err == nil:
		return "fin"
	case errors.Is(err, syscall.ECONNRESET):
		return "reset"
	}
	return err.Error()
}

// What a placed fault makes of three PDUs of the array's, as the initiator reads them.
func TestPlacedFaultsStrikeOnTCP(t *testing.T) {
	one, two, three := ping(1), ping(2), ping(3)
	all := bytes.Join([][]byte{one, two, three}, nil)
	corrupted := bytes.Clone(all)
	corrupted[64+48+5] ^= 0x10
	for text, want := range map[string]struct {
		bytes []byte
		end   string
		array string // how it ends there
	}{
		"reset:pdu=nop-in,nth=2,byte=20":               {all[:84], "reset", "reset"},
		"reset:pdu=nop-in,nth=2":                       {all[:64], "reset", "reset"},
		"reset:pdu=nop-in,nth=2,byte=end":              {all[:128], "reset", "reset"},
		"fin:pdu=nop-in,nth=2,byte=data+4":             {all[:64+52], "fin", "fin"},
		"drop:pdu=nop-in,nth=2":                        {append(bytes.Clone(one), three...), "fin", "fin"},
		"truncate:pdu=nop-in,nth=2,byte=47":            {append(bytes.Clone(all[:64+47]), three...), "fin", "fin"},
		"corrupt:pdu=nop-in,nth=2,byte=data+5,bit=3":   {corrupted, "fin", "fin"},
		"delay:pdu=nop-in,nth=2,by=20ms":               {all, "fin", "fin"},
		"split:pdu=nop-in,nth=2,size=7,by=1ms":         {all, "fin", "fin"},
		"split:pdu=nop-in,nth=2,byte=24":               {all, "fin", "fin"},
		"coalesce:pdu=nop-in,nth=2,by=10s,size=128":    {all, "fin", "fin"},
		"silence:pdu=nop-in,nth=2,byte=10,for=20ms":    {all, "fin", "fin"},
		"drop:pdu=nop-in,if=itt=3&length=16":           {all[:128], "fin", "fin"},
		"drop:pdu=any,nth=1,each=2,dir=to-initiator":   {two, "fin", "fin"},
		"corrupt:pdu=nop-in,nth=1,byte=1000":           {all, "fin", "fin"}, // behind its end: never
		"drop:pdu=nop-in,chance=1,times=1":             {all[64:], "fin", "fin"},
		"drop:pdu=text-response,if=!key.TargetAddress": {all, "fin", "fin"}, // no such PDU: never
	} {
		for _, piece := range []int{1, 50, 1 << 20} {
			l := arrayListening(t)
			p := inFrontOf(t, l)
			run(t, p, text)
			near, far := pair(t, p, l)
			array := make(chan string, 1)
			go func() {
				err := inPieces(far, all, 1, piece) // whoever hears of a reset first takes it away from the other
				if _, again := io.ReadAll(far); !errors.Is(err, syscall.ECONNRESET) {
					err = again
				}
				array <- ending(err)
			}()
			got, err := io.ReadAll(near)
			near.Close()
			if !bytes.Equal(got, want.bytes) || ending(err) != want.end {
				t.Errorf("%s in pieces of up to %d: %d bytes (%s), want %d (%s): %x", text, piece, len(got), ending(err), len(want.bytes), want.end, got)
			}
			if end := <-array; end != want.array {
				t.Errorf("%s: the array sees %s, want %s", text, end, want.array)
			}
			fired := p.Counts()[0].Fired
			never := strings.Contains(text, "byte=1000") || strings.Contains(text, "text-response")
			if never != (fired == 0) || never != (len(p.Unfired()) == 1) {
				t.Errorf("%s: fired %d times", text, fired)
			}
		}
	}
}

// A cut ends both ends at once, and only those in its scope.
func TestTimedCuts(t *testing.T) {
	l := arrayListening(t)
	p := inFrontOf(t, l)
	portal := p.Portals()[0]
	for verb, want := range map[faults.Verb]string{faults.Reset: "reset", faults.Fin: "fin"} {
		near, far := pair(t, p, l)
		other, otherFar := pair(t, p, l)
		exchanged(t, near, far)
		name := p.Status().Connections[0].Name
		if done, err := p.Inject(faults.Plan{{Verb: verb, Scope: faults.Scope{Conn: name}}}); err != nil || done != 1 {
			t.Fatal(done, err)
		}
		for _, c := range []net.Conn{near, far} {
			if _, err := io.ReadAll(c); ending(err) != want {
				t.Errorf("%s ends as %s", verb, ending(err))
			}
			c.Close()
		}
		exchanged(t, other, otherFar)
		// The portal goes by both of its names.
		scope, err := faults.AtPortal(map[faults.Verb]string{faults.Reset: portal.Array, faults.Fin: portal.Address}[verb])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Inject(faults.Plan{{Verb: faults.Reset, Scope: scope}}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(other); ending(err) != "reset" {
			t.Errorf("the portal's connection ends as %s", ending(err))
		}
		settled(t, p)
	}
	for _, c := range p.Counts() {
		if c.Fired != 1 {
			t.Errorf("%s fired %d times", c.Fault, c.Fired)
		}
	}
}

// exchanged passes a byte each way.
func exchanged(t *testing.T, a, b net.Conn) {
	t.Helper()
	for _, ends := range [][2]net.Conn{{a, b}, {b, a}} {
		if _, err := ends[0].Write([]byte{7}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(ends[1], make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
}

// settled waits until no connection is open.
func settled(t *testing.T, p *Proxy) {
	t.Helper()
	eventually(t, func() bool { return len(p.Status().Connections) == 0 })
}

func eventually(t *testing.T, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not come about")
		}
	}
}

// A refused portal does not listen, and comes back at the same port; where attempts are to be counted they are accepted and reset.
func TestRefuse(t *testing.T) {
	l := arrayListening(t)
	p := inFrontOf(t, l)
	near, far := pair(t, p, l)
	run(t, p, "refuse:at=0s")
	for range 3 {
		if c, err := net.Dial("tcp", p.Portals()[0].Address); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("%v, %v", c, err)
		}
	}
	exchanged(t, near, far) // open connections live on
	if err := p.Heal(faults.Everything); err != nil {
		t.Fatal(err)
	}
	pair(t, p, l)

	counting := started(t, Options{To: []To{{Array: addressOf(t, l.Addr().String())}}, RefuseByReset: true})
	run(t, counting, "refuse:at=0s")
	for range 3 {
		turnedAway(t, counting)
	}
	if c := counting.Counts()[0]; c.Fired != 1 || c.Bites != 3 || counting.Status().Counters.Refused != 3 {
		t.Errorf("%+v", c)
	}
	host := started(t, Options{To: []To{{Array: addressOf(t, l.Addr().String())}}})
	run(t, host, "refuse:host=127.0.0.2,at=0s")
	pair(t, host, l) // it is about somebody else
}

// turnedAway opens a connection that is reset, which may show while it is opened.
func turnedAway(t *testing.T, p *Proxy) {
	t.Helper()
	c, err := net.DialTimeout("tcp", p.Portals()[0].Address, patience)
	if err == nil {
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(patience))
		_, err = io.ReadAll(c)
	}
	if ending(err) != "reset" {
		t.Errorf("it ends as %s", ending(err))
	}
}

// A blackholed portal accepts, answers nothing and dials nobody; when it heals, what came meanwhile arrives.
func TestBlackhole(t *testing.T) {
	l := arrayListening(t)
	p := inFrontOf(t, l)
	old, oldFar := pair(t, p, l)
	run(t, p, "blackhole:at=0s")
	near, given := dial(t, p), dial(t, p)
	for _, c := range []net.Conn{near, given, old, oldFar} {
		if _, err := c.Write(ping(9)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, func() bool {
		s := p.Status().Connections
		return len(s) == 3 && s[0].ToTarget.Waiting == 64 && s[0].ToInitiator.Waiting == 64 && s[1].ToTarget.Waiting == 64 && s[2].ToTarget.Waiting == 64 && s[1].Stage == "held"
	})
	given.Close() // who gives up is forgotten
	eventually(t, func() bool { return len(p.Status().Connections) == 2 })
	eventually(t, func() bool { return p.Counts()[0].Bites == 6 }) // two connections, four deliveries
	if err := p.Heal(faults.Everything); err != nil {
		t.Fatal(err)
	}
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	for _, c := range []net.Conn{far, old, oldFar} {
		if got := make([]byte, 64); must(io.ReadFull(c, got)) != 64 || !bytes.Equal(got, ping(9)) {
			t.Errorf("%x", got)
		}
	}
}

func must(n int, err error) int {
	if err != nil {
		panic(err)
	}
	return n
}

// Silence holds back, and the sender with it: the proxy reads no more than it may keep. What was held arrives in order when it is over.
func TestSilenceHoldsTheSenderBack(t *testing.T) {
	l := arrayListening(t)
	p := inFrontOf(t, l)
	near, far := pair(t, p, l)
	run(t, p, "silence:dir=to-initiator,at=0s")
	const blocks = 64 << 20 / 65536
	block := bytes.Repeat([]byte{0x3f}, 65536) // no operation code: bytes that are no iSCSI
	var written atomic.Int64
	done := make(chan error, 1)
	go func() {
		for range blocks {
			n, err := far.Write(block)
			if written.Add(int64(n)); err != nil {
				done <- err
				return
			}
		}
		done <- far.CloseWrite()
	}()
	eventually(t, func() bool {
		before := written.Load()
		time.Sleep(20 * time.Millisecond)
		return before > 0 && written.Load() == before
	})
	in := p.Status().Connections[0].ToInitiator
	if !in.Held || in.Waiting > queueMax+chunkBytes || in.Bytes > queueMax+2*chunkBytes {
		t.Errorf("it has read %d bytes and keeps %d", in.Bytes, in.Waiting)
	}
	if _, err := near.Write(ping(1)); err != nil { // the other direction lives
		t.Fatal(err)
	}
	if _, err := io.ReadFull(far, make([]byte, 64)); err != nil {
		t.Fatal(err)
	}
	if err := p.Heal(faults.Everything); err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, near)
	if err != nil || n != blocks*65536 {
		t.Errorf("%d bytes, %v", n, err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A stall lets so many bytes pass in each direction, and what shapes deliveries loses nothing.
func TestShapesLoseNothing(t *testing.T) {
	all := bytes.Repeat(ping(4), 50)
	for _, text := range []string{
		"delay:at=0s,by=5ms", "jitter:at=0s,by=3ms", "throttle:at=0s,rate=100000", "split:at=0s,size=13", "split:at=0s,size=50,by=1ms",
		"coalesce:at=0s,by=5ms", "coalesce:at=0s,by=1h,size=3200", "delay:at=0s,by=1ms\njitter:at=0s,by=1ms\nsplit:at=0s,size=30\nthrottle:at=0s,rate=1000000",
		"stall:at=0s,after=100", "silence:at=0s,for=10ms,every=20ms,times=2",
	} {
		l := arrayListening(t)
		p := inFrontOf(t, l)
		near, far := pair(t, p, l)
		run(t, p, text)
		go inPieces(far, all, 3, 300)
		if strings.HasPrefix(text, "stall") { // it is over when it has been felt
			eventually(t, func() bool { return p.Unfired() == nil })
			if err := p.Heal(faults.Everything); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := io.ReadAll(near); err != nil || !bytes.Equal(got, all) {
			t.Errorf("%s: %d bytes of %d, %v", text, len(got), len(all), err)
		}
		if idle := p.Unfired(); idle != nil {
			t.Errorf("unfired: %v", idle)
		}
	}
	l := arrayListening(t)
	p := inFrontOf(t, l)
	near, far := pair(t, p, l)
	run(t, p, "stall:dir=to-initiator,at=0s,after=100")
	if _, err := far.Write(all); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(near, make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool {
		in := p.Status().Connections[0].ToInitiator
		return in.Held && in.Waiting == len(all)-100
	})
}

// A portal that moves is reached elsewhere, and comes back when it heals; connections to where it was are reset.
func TestMove(t *testing.T) {
	here, there := arrayListening(t), arrayListening(t)
	p := inFrontOf(t, here)
	near, _ := pair(t, p, here)
	run(t, p, "move:portal="+here.Addr().String()+",to="+there.Addr().String()+",at=0s")
	if _, err := io.ReadAll(near); ending(err) != "reset" {
		t.Errorf("it ends as %s", ending(err))
	}
	moved, _ := pair(t, p, there)
	if err := p.Heal(faults.Everything); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(moved); ending(err) != "reset" {
		t.Errorf("it ends as %s", ending(err))
	}
	pair(t, p, here)
	if c := p.Counts()[0]; c.Fired != 1 || c.Bites != 3 {
		t.Errorf("%+v", c)
	}
}

// The limit of connections holds, and an array that is not there resets the initiator.
func TestConnectionsThatComeToNothing(t *testing.T) {
	l := arrayListening(t)
	p := started(t, Options{To: []To{{Array: addressOf(t, l.Addr().String())}}, MaxConnections: 2})
	pair(t, p, l)
	pair(t, p, l)
	turnedAway(t, p)
	gone, err := serving.HoldLoopback()
	if err != nil {
		t.Fatal(err)
	}
	defer gone.Release()
	lost := started(t, Options{To: []To{{Array: addressOf(t, gone.Address().String())}}})
	turnedAway(t, lost)
	if a, b := p.Status().Counters, lost.Status().Counters; a.Crowded != 1 || b.Unreached != 1 {
		t.Errorf("%+v %+v", a, b)
	}
}

// An end in order lets what has come reach the other end.
func TestShutdownIsOrderly(t *testing.T) {
	l := arrayListening(t)
	p := inFrontOf(t, l)
	near, far := pair(t, p, l)
	run(t, p, "silence:at=0s")
	if _, err := far.Write(ping(5)); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return p.Status().Connections[0].ToInitiator.Waiting == 64 })
	ended := make(chan error, 1)
	go func() { ended <- p.Shutdown(t.Context()) }()
	got, err := io.ReadAll(near)
	if err != nil || !bytes.Equal(got, ping(5)) {
		t.Errorf("%x, %v", got, err)
	}
	if _, err := io.ReadAll(far); err != nil {
		t.Error(err)
	}
	near.Close()
	far.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := p.Run(nil); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

// An end in order waits for nobody for long: not for an array that was never dialled, nor for an initiator that does not read.
func TestShutdownComesToItsEnd(t *testing.T) {
	l := arrayListening(t)
	p := inFrontOf(t, l)
	_, far := pair(t, p, l)
	filled := make(chan struct{})
	go func() {
		defer close(filled)
		_, _ = far.Write(make([]byte, 64<<20)) // nobody reads it
	}()
	eventually(t, func() bool { return p.Status().Connections[0].ToInitiator.Bytes > 0 })
	run(t, p, "blackhole:at=0s")
	held := dial(t, p)
	eventually(t, func() bool { return len(p.Status().Connections) == 2 })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := p.Shutdown(ctx); err != nil || ctx.Err() != nil {
		t.Errorf("%v, %v", err, ctx.Err())
	}
	if _, err := io.ReadAll(held); err != nil {
		t.Error(err)
	}
	<-filled // it ends one way or the other
}

// One seed and one sequence of PDUs: the same PDUs are struck, and the trace tells of each.
func TestChanceIsTheSeeds(t *testing.T) {
	struck := func(seed uint64) (tags []byte, told int) {
		l := arrayListening(t)
		log := trace.NewLog()
		p := started(t, Options{To: []To{{Array: addressOf(t, l.Addr().String())}}, Seed: seed, Log: log})
		run(t, p, "drop:pdu=nop-in,chance=0.5")
		near, far := pair(t, p, l)
		for i := range byte(40) {
			if _, err := far.Write(ping(i)); err != nil {
				t.Fatal(err)
			}
		}
		far.CloseWrite()
		got, err := io.ReadAll(near)
		if err != nil {
			t.Fatal(err)
		}
		for i := 48; i < len(got); i += 64 {
			tags = append(tags, got[i])
		}
		for _, e := range log.Events() {
			if e.Kind == trace.KindFault {
				told++
			}
		}
		if told != p.Counts()[0].Fired || told+len(tags) != 40 {
			t.Errorf("%d told, %d fired, %d passed", told, p.Counts()[0].Fired, len(tags))
		}
		return tags, told
	}
	one, _ := struck(1)
	again, _ := struck(1)
	other, _ := struck(2)
	if diff := cmp.Diff(one, again); diff != "" || bytes.Equal(one, other) {
		t.Errorf("%v, %v, %v", one, again, other)
	}
}
