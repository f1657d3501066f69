package initiator

import (
	"bytes"
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scsi"
)

// keyDataChecks are the rows of the group keys about digests and the transfer of data.
func keyDataChecks() []Check {
	return []Check{
		{ID: "keys.digest-response", Driver: func(s *Settings) { s.Digests() }, Run: digestCombinations},
		{ID: "keys.digest-crc32c-supported", Base: bothDigests, Driver: func(s *Settings) { s.Digests() }, Run: thousandDigests},
		{ID: "keys.initialr2t", Base: func(b *Base) { b.Params.MaxRecvDataSegmentLength = 8192 }, Run: initialR2T},
		{ID: "keys.immediatedata", Run: noImmediateData},
		{ID: "keys.mrdsl-declared", Run: declaredLength},
		{ID: "keys.mrdsl-target-small", Base: smallSegments, Run: smallestSegments},
		{ID: "keys.mrdsl-illegal", Run: illegalLength},
		{ID: "keys.maxburstlength", Run: maxBurstLength},
		{ID: "keys.firstburst-not-above-maxburst", Base: bursts(4096, 4096), Run: firstBurst},
		{ID: "keys.firstburst-above-maxburst-from-target", Base: bursts(4096, 1024), Run: firstAboveMax},
	}
}

func bothDigests(b *Base) { b.Params.HeaderDigest, b.Params.DataDigest = true, true }

// bursts is an array that takes data unasked.
func bursts(first, burst int) func(b *Base) {
	return func(b *Base) {
		b.Params.InitialR2T, b.Params.FirstBurstLength, b.Params.MaxBurstLength = false, first, burst
	}
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

// digestsOffered skips when the initiator did not offer CRC32C, so that the array did not get what it wanted.
func (t *T) digestsOffered(c *Conn) {
	if c.Params.HeaderDigest != t.Base.Params.HeaderDigest || c.Params.DataDigest != t.Base.Params.DataDigest {
		t.Skip("NOT-TESTABLE: the initiator does not offer CRC32C.")
	}
}

func digestCombinations(t *T) {
	for _, header := range []bool{false, true} {
		for _, data := range []bool{false, true} {
			t.PartWith(fmt.Sprintf("header %t, data %t", header, data), func(b *Base, _ *Settings) {
				b.Params.HeaderDigest, b.Params.DataDigest = header, data
			}, func() {
				c := t.Session()
				t.digestsOffered(c)
				t.Probe()
				if t.Own() {
					for _, n := range []int{1, 2, 3, 4, 513} {
						t.pings(n)
						t.Do(modeList(n))
					}
				}
				t.Good(Write{LBA: besideProbe, Blocks: 9})
				t.Probe()
				if e, ended := c.Ended(); ended {
					t.Fail(e, "frames with the digests that were agreed")
				}
			})
		}
	}
}

// pings has the initiator ping with n bytes, and fails unless they come back.
func (t *T) pings(n int) {
	data := t.Random(n)
	if r := t.Good(Ping{Data: data}); !bytes.Equal(r.Data, data) {
		t.Fail(fmt.Sprintf("an echo of %d bytes that differ", len(r.Data)), "the bytes of the ping")
	}
}

func thousandDigests(t *T) {
	c := t.Session()
	t.digestsOffered(c)
	for i := range 333 {
		n := 1 + i*197%65536
		blocks := 1 + i*5%128
		t.Good(Write{LBA: besideProbe, Blocks: blocks})
		r := t.Good(Read{LBA: besideProbe + 200, Blocks: blocks})
		t.Pattern(r.Data, besideProbe+200)
		if t.Own() {
			t.pings(min(n, 8192))
		}
	}
	if t.Own() {
		t.Good(SendText{Pairs: declared})
	}
	t.Probe()
	if e, ended := c.Ended(); ended {
		t.Fail(e, "one connection throughout")
	}
}

func initialR2T(t *T) {
	t.Part("Yes to No", func() {
		offer := ""
		c, full := t.answers(answering(text.KeyInitialR2T, text.Yes, &offer))
		t.Check(full, "a login that fails", "a login with InitialR2T=Yes")
		for _, blocks := range []int{1, 128, 1024} {
			w := t.writes(c, Write{Blocks: blocks})
			t.Check(w.PDU.Final, w.Event, "F=1, since InitialR2T is Yes")
			if s := c.unasked(w.Task, time.Second); len(s.PDUs) > 0 {
				t.Fail(fmt.Sprintf("%d Data-Out PDUs", len(s.PDUs)), "no data before an R2T")
			}
			t.completes(c, w)
		}
		t.Probe()
	})
	t.PartWith("No to Yes", func(_ *Base, s *Settings) { s.Offer(text.KeyInitialR2T, text.Yes) }, func() {
		offer := ""
		c, full := t.answers(answering(text.KeyInitialR2T, text.No, &offer))
		t.notOffered(text.KeyInitialR2T, offer)
		if offer != text.Yes {
			t.Skip("NOT-TESTABLE: the initiator offers InitialR2T=%s.", offer)
		}
		if !full {
			return
		}
		w := t.writes(c, Write{Blocks: 128})
		t.Check(w.PDU.Final, w.Event, "R-LOGINFAIL, or F=1, since Yes decides")
		t.completes(c, w)
	})
}

func noImmediateData(t *T) {
	offer := ""
	c, full := t.answers(answering(text.KeyImmediateData, text.No, &offer))
	t.notOffered(text.KeyImmediateData, offer)
	t.Check(full, "a login that fails", "a login with ImmediateData=No")
	c.Params.ImmediateData = false
	ops := []Op{Write{LBA: besideProbe, Blocks: 1}, Write{LBA: besideProbe, Blocks: 128}, Read{Blocks: 8}}
	if t.Own() {
		ops = append(ops, modeList(24), unmap(besideProbe))
	}
	for _, op := range ops {
		p := t.Start(op)
		task := c.Command(scsi.OpWrite10, scsi.OpWrite16, scsi.OpRead10, scsi.OpRead16, scsi.OpModeSelect10, scsi.OpUnmap)
		if n := len(task.PDU.Data); n > 0 {
			t.Fail(fmt.Sprintf("a command with %d bytes of data", n), "no immediate data")
		}
		c.Good(task)
		p.Wait()
	}
	t.Probe()
}

func declaredLength(t *T) {
	c := t.Session()
	limit := c.Params.PeerMaxRecvDataSegmentLength
	t.inRange(text.KeyMaxRecvDataSegmentLength, fmt.Sprint(limit))
	n := min(limit, c.Params.MaxBurstLength) / BlockSize * BlockSize
	op := t.Start(Read{Blocks: n / BlockSize})
	task := c.Read()
	c.DataIn(task, 0, n, Final)
	c.Status(task, scsi.StatusGood)
	t.endsWell(op)
	if t.Own() {
		t.Pattern(op.result.Data, 0)
	}
	t.RIgnore(c)
}

func smallestSegments(t *T) {
	c := t.Session()
	if largest := t.largestSegment(c, 128); largest > 512 {
		t.Fail(fmt.Sprintf("a data segment of %d bytes", largest), "at most 512 bytes")
	}
	if t.Own() {
		op, r, e := t.negotiating(c, longPairs(1500))
		last, _, _ := t.receiveText(c, r, e, 512)
		c.Text(last, nil)
		t.endsWell(op)
		t.pings(512)
		if r := t.Do(modeList(600)); r.Err != nil {
			t.Fail(r, "a command that is answered")
		}
	}
	t.Probe()
}

func illegalLength(t *T) {
	for _, value := range []string{"0", "1", "511", "16777216"} {
		t.Part(value, func() {
			c, full := t.answers(func(s *Step) {
				if _, told := s.Answer.Get(text.KeyMaxRecvDataSegmentLength); told {
					s.Set(text.KeyMaxRecvDataSegmentLength, value)
				}
			})
			if !full {
				t.RAlive()
				return
			}
			if largest := t.largestSegment(c, 8); largest < 512 {
				t.Fail(fmt.Sprintf("data segments of at most %d bytes", largest), "R-LOGINFAIL, or segments of a lawful length")
			}
			t.Probe()
		})
	}
}

func maxBurstLength(t *T) {
	for _, burst := range []int{512, 1024} {
		t.PartWith(fmt.Sprint(burst), func(b *Base, _ *Settings) {
			b.Params.MaxBurstLength, b.Params.FirstBurstLength = burst, 512
		}, func() {
			offer := ""
			c, full := t.answers(func(s *Step) {
				if value, told := s.Keys.Get(text.KeyMaxBurstLength); told {
					offer = value
				}
			})
			t.notOffered(text.KeyMaxBurstLength, offer)
			t.inRange(text.KeyMaxBurstLength, offer)
			t.Check(full, "a login that fails", fmt.Sprintf("a login with MaxBurstLength=%d", burst))
			read := t.Start(Read{Blocks: 128})
			c.Good(c.Read())
			t.endsWell(read)
			if t.Own() {
				t.Pattern(read.result.Data, 0)
			}
			t.completes(c, t.writes(c, Write{Blocks: 128}))
			t.Probe()
		})
	}
}

// firstData is what a write sends without an R2T, in bytes.
func (t *T) firstData(c *Conn, w *writing) int {
	n := len(w.PDU.Data)
	for _, p := range c.unasked(w.Task, time.Second).PDUs {
		n += len(p.Data)
	}
	return n
}

func firstBurst(t *T) {
	first, burst := "65536", "262144"
	c, full := t.answers(func(s *Step) {
		if value, told := s.Keys.Get(text.KeyFirstBurstLength); told {
			first = value
		}
		if value, told := s.Keys.Get(text.KeyMaxBurstLength); told {
			burst = value
		}
	})
	t.Check(full, "a login that fails", "a login with bursts of 4096 bytes")
	f, _ := text.ParseNumber(first)
	b, _ := text.ParseNumber(burst)
	t.Check(f <= b, fmt.Sprintf("FirstBurstLength=%s and MaxBurstLength=%s", first, burst), "FirstBurstLength up to MaxBurstLength")
	w := t.writes(c, Write{Blocks: 128})
	if n := t.firstData(c, w); n > 4096 {
		t.Fail(fmt.Sprintf("%d bytes that nothing asked for", n), "at most 4096 bytes")
	}
	t.completes(c, w)
	t.Probe()
}

func firstAboveMax(t *T) {
	offer := ""
	c, full := t.answers(answering(text.KeyFirstBurstLength, "4096", &offer))
	t.notOffered(text.KeyFirstBurstLength, offer)
	if !full {
		return
	}
	w := t.writes(c, Write{Blocks: 128})
	if n := t.firstData(c, w); n > 1024 {
		t.Fail(fmt.Sprintf("%d bytes that nothing asked for", n), "R-LOGINFAIL, or at most 1024 bytes")
	}
	t.completes(c, w)
	t.Probe()
}
