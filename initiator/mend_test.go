package initiator

import (
	"bytes"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"pgregory.net/rapid"
)

func TestGaps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var g gaps
		base := rapid.Uint32().Draw(t, "base")
		next := base
		missing := map[uint32]bool{}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "forward") {
				n := uint32(rapid.IntRange(1, 5).Draw(t, "length"))
				if !g.open(next, next+n) {
					t.Fatal("refused a gap within the bounds")
				}
				for i := range n {
					missing[next+i] = true
				}
				next += n + 1
			} else {
				n := base + uint32(rapid.IntRange(0, int(next-base)).Draw(t, "number"))
				if g.fill(n) != missing[n] {
					t.Fatalf("fill(%d): want %v", n, missing[n])
				}
				delete(missing, n)
			}
			first := next
			for n := base; n != next; n++ {
				if missing[n] {
					first = n
					break
				}
			}
			if got := g.first(next); got != first {
				t.Fatalf("first: got %d, want %d", got, first)
			}
		}
	})
}

// levelOne plays a script against a session of ErrorRecoveryLevel 1.
func levelOne(t *testing.T, serve func(*fakeEnd), then func(*testing.T, *Session), limits ...string) {
	t.Helper()
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		played := make(chan struct{})
		n.at(portalA, script(func(e *fakeEnd) {
			defer close(played)
			serve(e)
		}, append(limits, "ErrorRecoveryLevel=1")...))
		cfg := offering(map[string]string{text.KeyErrorRecoveryLevel: "2", text.KeyMaxRecvDataSegmentLength: "4096"})
		cfg.DataDigest = []string{"CRC32C", "None"}
		s := mustLogin(t, n, cfg)
		then(t, s)
		<-played
	})
}

// piece is one Data-In of 4096 bytes of pattern data, of eight.
func pieceOf(itt, sn uint32, data []byte) *pdu.DataIn {
	p := &pdu.DataIn{ITT: itt, DataSN: sn, BufferOffset: sn * 4096, Data: data[sn*4096:][:4096], Final: sn == 7}
	return p
}

// mustRead reads 32 KiB and compares.
func mustRead(t *testing.T, s *Session, want []byte) {
	t.Helper()
	r := readRequest(0, len(want))
	if err := s.Do(t.Context(), r); err != nil || r.Status != 0 || r.Transferred != len(want) {
		t.Errorf("read: %v, status %d, %d bytes", err, r.Status, r.Transferred)
	}
	if !bytes.Equal(r.Read, want) {
		t.Error("read other data than was sent")
	}
}

func TestMissingDataIsAskedFor(t *testing.T) {
	want := pattern(32 << 10)
	levelOne(t, func(e *fakeEnd) {
		p := expect[*pdu.SCSICommand](e)
		before := e.statSN
		for _, sn := range []uint32{0, 1, 2, 4, 5} {
			e.write(pieceOf(p.ITT, sn, want))
		}
		q := expect[*pdu.SNACKRequest](e)
		if q.Type != pdu.SNACKData || q.ITT != p.ITT || q.TTT != pdu.ReservedTag || q.BegRun != 3 || q.RunLength != 1 || q.ExpStatSN != before {
			t.Errorf("SNACK: %+v", q)
		}
		e.write(pieceOf(p.ITT, 6, want))
		e.write(pieceOf(p.ITT, 7, want))
		e.write(&pdu.SCSIResponse{ITT: p.ITT, ExpDataSN: 8})
		e.write(&pdu.NOPIn{ITT: pdu.ReservedTag, TTT: 5})
		if o := expect[*pdu.NOPOut](e); o.ExpStatSN != before {
			t.Errorf("ExpStatSN %#x while data is missing, want %#x", o.ExpStatSN, before)
		}
		for _, sn := range []uint32{3, 4, 5, 6, 7} {
			e.write(pieceOf(p.ITT, sn, want))
		}
		e.write(&pdu.NOPIn{ITT: pdu.ReservedTag, TTT: 6})
		if o := expect[*pdu.NOPOut](e); o.ExpStatSN != before+1 {
			t.Errorf("ExpStatSN %#x when all is there, want %#x", o.ExpStatSN, before+1)
		}
	}, func(t *testing.T, s *Session) { mustRead(t, s, want) })
}

func TestMissingStatusIsAskedFor(t *testing.T) {
	levelOne(t, func(e *fakeEnd) {
		first, second := expect[*pdu.SCSICommand](e), expect[*pdu.SCSICommand](e)
		lost := e.statSN
		e.statSN++
		e.good(second.ITT)
		q := expect[*pdu.SNACKRequest](e)
		if q.Type != pdu.SNACKStatus || q.ITT != pdu.ReservedTag || q.TTT != pdu.ReservedTag || q.BegRun != lost || q.RunLength != 1 || q.ExpStatSN != lost {
			t.Errorf("SNACK: %+v", q)
		}
		r := &pdu.SCSIResponse{ITT: first.ITT}
		e.stamp(r)
		e.statSN--
		r.StatSN = lost
		_, _ = e.Write(pdu.Encode(nil, r, e.digests))
		e.write(&pdu.NOPIn{ITT: pdu.ReservedTag, TTT: 6})
		if o := expect[*pdu.NOPOut](e); o.ExpStatSN != lost+2 {
			t.Errorf("ExpStatSN %#x, want %#x", o.ExpStatSN, lost+2)
		}
	}, func(t *testing.T, s *Session) {
		over := started(s, &Request{CDB: make([]byte, 6)}, &Request{CDB: make([]byte, 6)})
		for range 2 {
			if r := <-over; r.Err != nil {
				t.Error(r.Err)
			}
		}
	})
}

func TestSpoiledDataIsAskedFor(t *testing.T) {
	want := pattern(32 << 10)
	levelOne(t, func(e *fakeEnd) {
		p := expect[*pdu.SCSICommand](e)
		for sn := range uint32(8) {
			d := pieceOf(p.ITT, sn, want)
			d.StatusPresent = sn == 7
			e.stamp(d)
			wire := pdu.Encode(nil, d, e.digests)
			if sn == 2 || sn == 7 {
				wire[len(wire)-1] ^= 1
			}
			_, _ = e.Write(wire)
		}
		for _, sn := range []uint32{2, 7} {
			q := expect[*pdu.SNACKRequest](e)
			if q.Type == pdu.SNACKStatus {
				q = expect[*pdu.SNACKRequest](e)
			}
			if q.Type != pdu.SNACKData || q.BegRun != sn || q.RunLength != 1 {
				t.Errorf("SNACK: %+v, want DataSN %d", q, sn)
			}
			d := pieceOf(p.ITT, sn, want)
			d.StatusPresent = sn == 7
			if d.StatusPresent {
				e.statSN--
			}
			e.write(d)
		}
	}, func(t *testing.T, s *Session) { mustRead(t, s, want) }, "DataDigest=CRC32C")
}

func TestSNACKWithoutEffectEndsTheConnection(t *testing.T) {
	want := pattern(32 << 10)
	levelOne(t, func(e *fakeEnd) {
		p := expect[*pdu.SCSICommand](e)
		for _, sn := range []uint32{0, 2} {
			e.write(pieceOf(p.ITT, sn, want))
		}
		for range snackLimit {
			expect[*pdu.SNACKRequest](e)
		}
		if p := e.read(); p != nil {
			t.Errorf("got %T, want the end", p)
		}
	}, func(t *testing.T, s *Session) {
		began := time.Now()
		var r *RecoveryError
		if err := s.Do(t.Context(), readRequest(0, 32<<10)); !errors.As(err, &r) || !errors.Is(err, ErrTransportLost) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(began); took > 30*time.Second {
			t.Errorf("gave up after %v", took)
		}
	})
}

func TestRejectedSNACK(t *testing.T) {
	want := pattern(32 << 10)
	reject := func(e *fakeEnd, q pdu.PDU, reason pdu.RejectReason) {
		var h pdu.BHS
		q.EncodeBHS(&h)
		e.write(&pdu.Reject{Reason: reason, Data: h[:]})
	}
	begin := func(e *fakeEnd) (*pdu.SCSICommand, *pdu.SNACKRequest) {
		p := expect[*pdu.SCSICommand](e)
		for _, sn := range []uint32{0, 2} {
			e.write(pieceOf(p.ITT, sn, want))
		}
		return p, expect[*pdu.SNACKRequest](e)
	}
	t.Run("status comes", func(t *testing.T) {
		levelOne(t, func(e *fakeEnd) {
			p, q := begin(e)
			reject(e, q, pdu.RejectSNACK)
			e.good(p.ITT)
		}, func(t *testing.T, s *Session) {
			r := readRequest(0, 32<<10)
			if err := s.Do(t.Context(), r); err != nil || r.Status != 2 || len(r.Sense) < 14 || r.Sense[12] != 0x47 || r.Sense[13] != 5 {
				t.Errorf("got %v, status %d, sense %x", err, r.Status, r.Sense)
			}
		})
	})
	t.Run("abort rejected", func(t *testing.T) {
		levelOne(t, func(e *fakeEnd) {
			_, q := begin(e)
			reject(e, q, pdu.RejectSNACK)
			abort := expect[*pdu.TaskManagementRequest](e)
			reject(e, abort, pdu.RejectCommandNotSupported)
			if p := e.read(); p != nil {
				t.Errorf("got %T, want the end", p)
			}
		}, func(t *testing.T, s *Session) {
			var r *RecoveryError
			if err := s.Do(t.Context(), readRequest(0, 32<<10)); !errors.As(err, &r) {
				t.Errorf("got %v", err)
			}
			<-s.Done()
			if !errors.As(s.Loss().Cause, &r) {
				t.Errorf("loss: %v", s.Loss().Cause)
			}
		})
	})
}

func TestDataIsAcknowledged(t *testing.T) {
	want := pattern(32 << 10)
	levelOne(t, func(e *fakeEnd) {
		p := expect[*pdu.SCSICommand](e)
		for sn := range uint32(8) {
			if sn == 6 {
				continue
			}
			d := pieceOf(p.ITT, sn, want)
			if d.Acknowledge = sn == 3 || sn == 7; d.Acknowledge {
				d.TTT, d.LUN = 0x700+sn, p.LUN
			}
			e.write(d)
			if sn == 3 {
				q := expect[*pdu.SNACKRequest](e)
				if q.Type != pdu.SNACKDataACK || q.ITT != pdu.ReservedTag || q.TTT != 0x703 || q.BegRun != 4 || q.RunLength != 0 {
					t.Errorf("DataACK: %+v", q)
				}
			}
		}
		if q := expect[*pdu.SNACKRequest](e); q.Type != pdu.SNACKData || q.BegRun != 6 {
			t.Errorf("SNACK: %+v", q)
		}
		e.write(pieceOf(p.ITT, 6, want))
		if q := expect[*pdu.SNACKRequest](e); q.Type != pdu.SNACKDataACK || q.TTT != 0x707 || q.BegRun != 8 {
			t.Errorf("DataACK: %+v", q)
		}
		e.good(p.ITT)
	}, func(t *testing.T, s *Session) { mustRead(t, s, want) })
}

func TestCommandIsRetriedToFillTheGap(t *testing.T) {
	levelOne(t, func(e *fakeEnd) {
		lost := expect[*pdu.SCSICommand](e)
		e.expCmdSN = lost.CmdSN
		ping := expect[*pdu.NOPOut](e)
		e.write(&pdu.NOPIn{ITT: ping.ITT, TTT: pdu.ReservedTag})
		again := expect[*pdu.SCSICommand](e)
		lost.ExpStatSN = again.ExpStatSN
		if again.ITT != lost.ITT || again.CmdSN != lost.CmdSN || again.CDB != lost.CDB || again.LUN != lost.LUN || again.Final != lost.Final {
			t.Errorf("retry %+v of %+v", again, lost)
		}
		e.write(&pdu.NOPIn{ITT: pdu.ReservedTag, TTT: 7})
		expect[*pdu.NOPOut](e)
		time.Sleep(40 * time.Second) // Acknowledged now: nothing more may come of it.
		e.good(again.ITT)
	}, func(t *testing.T, s *Session) {
		if err := s.Do(t.Context(), &Request{CDB: make([]byte, 6)}); err != nil {
			t.Error(err)
		}
	})
}

func TestDataAfterAChangeOfSegmentLength(t *testing.T) {
	want := pattern(32 << 10)
	levelOne(t, func(e *fakeEnd) {
		p := expect[*pdu.SCSICommand](e)
		for _, sn := range []uint32{0, 1, 2} {
			e.write(pieceOf(p.ITT, sn, want))
		}
		x := expect[*pdu.TextRequest](e)
		e.write(&pdu.TextResponse{Final: true, ITT: x.ITT, TTT: pdu.ReservedTag})
		before := e.statSN
		e.write(&pdu.SCSIResponse{ITT: p.ITT, ExpDataSN: 8})
		q := expect[*pdu.SNACKRequest](e)
		if q.Type != pdu.SNACKRData || q.ITT != p.ITT || q.TTT == 0 || q.TTT == pdu.ReservedTag || q.BegRun != 0 || q.RunLength != 0 {
			t.Errorf("SNACK: %+v", q)
		}
		for sn := range uint32(16) {
			e.write(&pdu.DataIn{ITT: p.ITT, DataSN: sn, BufferOffset: sn * 2048, Data: want[sn*2048:][:2048], Final: sn == 15})
		}
		e.statSN = before
		e.write(&pdu.SCSIResponse{ITT: p.ITT, ExpDataSN: 16, SNACKTag: q.TTT})
	}, func(t *testing.T, s *Session) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			mustRead(t, s, want)
		}()
		synctest.Wait()
		if _, err := s.Text(t.Context(), base("MaxRecvDataSegmentLength=2048")); err != nil {
			t.Error(err)
		}
		<-done
	})
}
