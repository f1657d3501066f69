package faults

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/iscsispec/iscsispec/trace"
)

// drawGentle draws a fault that loses no bytes: it changes when they arrive, and in which segments.
func drawGentle(t *rapid.T) string {
	dir := rapid.SampledFrom([]string{"", "dir=to-target,", "dir=to-initiator,"}).Draw(t, "dir")
	at := fmt.Sprintf("at=%dms", rapid.IntRange(0, 3000).Draw(t, "at"))
	lasting := fmt.Sprintf("%s,for=%dms", at, rapid.IntRange(1, 800).Draw(t, "for"))
	if rapid.Bool().Draw(t, "again") {
		lasting += fmt.Sprintf(",every=%dms,times=3", rapid.IntRange(900, 2000).Draw(t, "every"))
	}
	place := fmt.Sprintf("pdu=any,each=%d,%s", rapid.IntRange(1, 9).Draw(t, "each"), at)
	if rapid.Bool().Draw(t, "if") {
		place += fmt.Sprintf(",if=length>%d", rapid.IntRange(0, 300).Draw(t, "length"))
	}
	size, by := rapid.IntRange(1, 500).Draw(t, "size"), rapid.IntRange(1, 40).Draw(t, "by")
	byte := rapid.SampledFrom([]string{"1", "20", "48", "data+3", "padding", "end"}).Draw(t, "byte")
	return rapid.SampledFrom([]string{
		fmt.Sprintf("delay:%s%s,by=%dms", dir, lasting, by),
		fmt.Sprintf("jitter:%s%s,by=%dms", dir, lasting, by),
		fmt.Sprintf("throttle:%s%s,rate=%d", dir, lasting, 100*size),
		fmt.Sprintf("split:%s%s,size=%d,by=%dus", dir, lasting, size, by),
		fmt.Sprintf("coalesce:%s%s,size=%d,by=%dms", dir, lasting, 20*size, by),
		fmt.Sprintf("stall:%s%s,after=%d", dir, lasting, 10*size),
		fmt.Sprintf("silence:%s%s", dir, lasting),
		fmt.Sprintf("blackhole:%s", lasting),
		fmt.Sprintf("silence:%s%s,byte=%s,for=%dms", dir, place, byte, by),
		fmt.Sprintf("delay:%s%s,by=%dms", dir, place, by),
		fmt.Sprintf("split:%s%s,size=%d", dir, place, size),
		fmt.Sprintf("coalesce:%s%s,by=%dms", dir, place, by),
		"heal:" + at,
	}).Draw(t, "fault")
}

// conversation is what each end has sent and received, and how it ended.
type conversation struct {
	sent, got [2][]byte
	ended     [2]error
	counts    []Count
	events    []trace.Event
}

// converse lets both ends of a connection send PDUs of many sizes under a plan, in Writes that do not mind borders, for three seconds and until all has come.
func converse(t *testing.T, plan Plan) *conversation {
	c := &conversation{}
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Options{})
		defer p.network.Close()
		injection, err := p.network.Run(plan)
		if err != nil {
			t.Fatal(err)
		}
		ends := [2]net.Conn{p.dialled, p.accepted}
		var senders, receivers sync.WaitGroup
		for i, end := range ends {
			time.Sleep(time.Nanosecond)
			senders.Go(func() {
				for k := range 30 {
					b := nopOut(uint32(k), (k*k*(3+i))%700)
					c.sent[i] = append(c.sent[i], b...)
					for step := 1 + (k*37+i)%90; len(b) > 0; b = b[min(step, len(b)):] {
						if _, err := end.Write(b[:min(step, len(b))]); err != nil {
							return
						}
					}
					time.Sleep(time.Duration(100+i) * Grain * 10007)
				}
				_ = end.(interface{ CloseWrite() error }).CloseWrite()
			})
			receivers.Go(func() { _, c.got[1-i], c.ended[i] = collect(end) })
		}
		senders.Wait()
		time.AfterFunc(time.Minute, func() {
			if err := p.network.Heal(Everything); err != nil {
				t.Error(err)
			}
		})
		receivers.Wait()
		p.dialled.Close()
		p.accepted.Close()
		p.listener.Close()
		c.counts, c.events = injection.Counts(), p.log.Events()
	})
	return c
}

func TestWhatLosesNoBytesKeepsThemAllInOrder(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		text := ""
		for range rapid.IntRange(1, 6).Draw(r, "faults") {
			text += drawGentle(r) + "\n"
		}
		plan, err := ParsePlan(text)
		if err != nil {
			r.Fatal(err)
		}
		c := converse(t, plan)
		for i := range 2 {
			if !bytes.Equal(c.got[i], c.sent[i]) || !errors.Is(c.ended[1-i], io.EOF) {
				r.Fatalf("under\n%s%d of %d bytes came, or others, and then %v", plan, len(c.got[i]), len(c.sent[i]), c.ended[1-i])
			}
		}
		checkCounts(r, c)
	})
}

// With an end of the connection among the faults, what comes is a beginning of what was sent.
func TestWhatACutLeavesIsABeginning(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		text := ""
		for range rapid.IntRange(0, 4).Draw(r, "faults") {
			text += drawGentle(r) + "\n"
		}
		text += fmt.Sprintf("%s:pdu=nop-out,nth=%d,byte=%s\n", rapid.SampledFrom([]Verb{Reset, Fin}).Draw(r, "end"), rapid.IntRange(1, 40).Draw(r, "nth"),
			rapid.SampledFrom([]string{"0", "17", "48", "data+1", "end"}).Draw(r, "byte"))
		text += fmt.Sprintf("%s:at=%dms\n", rapid.SampledFrom([]Verb{Reset, Fin}).Draw(r, "timed"), rapid.IntRange(0, 3000).Draw(r, "instant"))
		plan, err := ParsePlan(text)
		if err != nil {
			r.Fatal(err)
		}
		c := converse(t, plan)
		for i := range 2 {
			if end := c.ended[1-i]; !bytes.HasPrefix(c.sent[i], c.got[i]) || !errors.Is(end, io.EOF) && !errors.Is(end, syscall.ECONNRESET) {
				r.Fatalf("under\n%s%d of %d bytes came, or others, and then %v", plan, len(c.got[i]), len(c.sent[i]), end)
			}
		}
		checkCounts(r, c)
	})
}

// checkCounts holds the counts to the trace: each fault that fired has left so many events.
func checkCounts(t *rapid.T, c *conversation) {
	events := map[string]int{}
	for _, e := range c.events {
		if e.Kind == trace.KindFault {
			events[e.State]++
		}
	}
	fired := map[string]int{}
	for _, n := range c.counts {
		fired[n.Fault.String()] += n.Fired
	}
	for text, n := range fired {
		if text != "heal:at=0s" && events[text] != n { // a heal of the test's own is such a one
			t.Errorf("%s fired %d times and left %d events", text, n, events[text])
		}
	}
}

func TestACutDuringASilenceIsSeenWhenItIsOver(t *testing.T) {
	for _, verb := range []string{"reset", "fin"} {
		inBubble(t, fixed, func(t *testing.T, p *pair) {
			in := p.run(t, "silence:dir=to-initiator,at=0s,for=5s", verb+":pdu=nop-out,byte=20")
			start := time.Now()
			mustWrite(t, p.dialled, nopOut(1, 0))
			mustRead(t, p.accepted, nopOut(1, 0)[:20])
			want := map[string]error{"reset": syscall.ECONNRESET, "fin": io.EOF}[verb]
			if err := readError(p.accepted); !errors.Is(err, want) || time.Since(start) > 3*time.Millisecond {
				t.Errorf("%s: the open direction saw %v after %v", verb, err, time.Since(start))
			}
			if err := readError(p.dialled); !errors.Is(err, want) || time.Since(start) < 5*time.Second {
				t.Errorf("%s: the silent direction saw %v after %v, want it after 5 s", verb, err, time.Since(start))
			}
			p.counted(t, in, 1, 1)
		})
	}
}
