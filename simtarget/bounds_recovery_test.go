package simtarget

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/simtarget/disk"
)

// A peer that sends header after header with a wrong digest is not listened to for ever; a sound one in between counts from the start.
func TestDamagedHeadersAreBounded(t *testing.T) {
	inBubble(t, "plain", atLevelOne, nil, func(b *bench) {
		p := b.levelOne(pair("HeaderDigest", "CRC32C"))
		damaged := func(n int) {
			for range n {
				raw := pdu.Encode(nil, &pdu.NOPOut{Immediate: true, ITT: pdu.ReservedTag, TTT: pdu.ReservedTag, CmdSN: p.cmdSN}, p.digest)
				raw[40] ^= 1
				if _, err := p.conn.Write(raw); err != nil {
					b.Fatal(err)
				}
			}
		}
		damaged(headersLostMax)
		p.works()
		damaged(headersLostMax)
		p.works()
		damaged(headersLostMax + 1)
		if !p.closed() {
			t.Error("the connection goes on")
		}
	})
}

// A task that brings one byte with every recovery R2T does not go on for ever.
func TestRecoveryR2TsAreBounded(t *testing.T) {
	inBubble(t, "plain", atLevelOne, nil, func(b *bench) {
		p := b.levelOne()
		w := p.writes(0, 4)
		p.send(w)
		r2ts := 0
		for r2ts <= recoveryR2TMax+1 {
			answer := p.read()
			r, asks := answer.(*pdu.R2T)
			if !asks {
				status, ends := answer.(*pdu.SCSIResponse)
				if !ends || status.Status != byte(scsi.StatusCheckCondition) {
					t.Errorf("%v", answer)
				}
				break
			}
			r2ts++
			p.send(&pdu.DataOut{Final: true, ITT: w.ITT, TTT: r.TTT, ExpStatSN: p.expStat, BufferOffset: r.BufferOffset, Data: []byte{1}})
		}
		if r2ts != recoveryR2TMax+1 {
			t.Errorf("%d R2Ts, want the first one and %d for recovery", r2ts, recoveryR2TMax)
		}
	})
}

// Of the connections that a session of recovery level 2 has lost, only the last ones are kept, with their tasks.
func TestLostConnectionsAreBounded(t *testing.T) {
	inBubble(t, "plain", levelTwo, nil, func(b *bench) {
		p := b.dial("A").login(recoverable()...)
		var tags []uint32
		for i := range lostMax + 2 {
			q := p.beside("A", uint16(2+i))
			if i > lostMax {
				q.attention(scsi.SomeCommandsCleared) // tells of the first task that has gone
			}
			w := q.writes(0, 1)
			q.send(w)
			get[*pdu.R2T](q)
			tags = append(tags, w.ITT)
			p.cmdSN = q.cmdSN
			q.conn.Close()
			p.counts(get[*pdu.AsyncMessage](p).StatSN)
		}
		s := b.array.selected(Which{})[0]
		s.mu.Lock()
		defer s.mu.Unlock()
		if n := len(s.parted); n != lostMax {
			t.Errorf("%d lost connections are kept, want %d", n, lostMax)
		}
		for i, itt := range tags {
			if kept := s.tasks.find(itt) != nil; kept != (i >= 2) {
				t.Errorf("the task of lost connection %d is kept: %v", i, kept)
			}
		}
	})
}

// What an array remembers about nexuses that are gone does not grow without end.
func TestRememberedNexusesAreBounded(t *testing.T) {
	after := func(p *Profile) { p.Failover.AfterRestart = true }
	inBubble(t, "plain", after, nil, func(b *bench) {
		a := b.array
		nexus := func(i int) disk.Nexus {
			return disk.Nexus{InitiatorPort: fmt.Sprintf("iqn.2026-01.example:%d,i,0x1", i)}
		}
		a.mu.Lock()
		a.restarted = true
		for i := range nexusesMax + 10 {
			a.nexusLost(nexus(i))
		}
		greeted := 0
		for i := range nexusesMax + 10 {
			if a.greeting(&login{}, nexus(100000+i)) == scsi.PowerOnOrReset {
				greeted++
			}
		}
		lost, remembered := len(a.lost), len(a.greeted)
		a.mu.Unlock()
		if lost != nexusesMax || remembered != nexusesMax || greeted != nexusesMax {
			t.Errorf("%d lost, %d greeted of which %d are remembered, want %d each", lost, greeted, remembered, nexusesMax)
		}
		b.dial("A").login().works()
	})
}

// A scenario's window admits commands only as far as the session bears them.
func TestOpenCommandsAreBounded(t *testing.T) {
	for open, want := range map[int]uint32{0: openMax, 1: openMax - 1, openMax - 1: 1, openMax: 0, openMax + 5: 0} {
		o := newOrdering(1000, 32, 1<<20)
		o.open = open
		if _, top := o.advertise(new(Array)); top != 999+want {
			t.Errorf("MaxCmdSN is %d with %d open commands, want %d", top, open, 999+want)
		}
	}
}

// The memory for what a command without blocks presents is small, whatever its allocation length, and what is longer comes whole all the same.
func TestUnmovedDataTakesLittleMemory(t *testing.T) {
	many := func(p *Profile) {
		lun := p.Targets[0].LUNs[0]
		p.Targets[0].LUNs = nil
		for i := range 2 * unmovedMax / 8 {
			lun.Number = uint32(i)
			p.Targets[0].LUNs = append(p.Targets[0].LUNs, lun)
		}
	}
	inBubble(t, "plain", many, nil, func(b *bench) {
		p := b.dial("A").login()
		s := b.array.selected(Which{})[0]
		s.mu.Lock()
		k := s.tasks.fresh()
		k.device.Length, k.device.Command.Blocks = 1<<30, 0
		s.makeRoom(k)
		if n := cap(k.device.Buffer); n != unmovedMax || k.over {
			t.Errorf("room for %d bytes, ended: %v; want %d", n, k.over, unmovedMax)
		}
		k.release()
		s.mu.Unlock()
		c := p.command(scsi.ReportLUNs(scsi.ReportAddressed, 1<<20))
		c.Read, c.ExpectedDataTransferLength = true, 1<<20
		p.send(c)
		var list []byte
		for {
			d := get[*pdu.DataIn](p)
			list = append(list, d.Data...)
			if d.StatusPresent {
				p.counts(d.StatSN)
				break
			}
		}
		if len(list) != 8+2*unmovedMax {
			t.Errorf("a list of %d bytes, want %d", len(list), 8+2*unmovedMax)
		}
	})
}

// A write whose R2Ts are all answered later than the array waits for is asked for again and ends well: one wait is one attempt, however many R2Ts
// it was for.
func TestLateAnswersToManyR2Ts(t *testing.T) {
	const late = 4 * time.Second
	ordered, unordered := "MaxOutstandingR2T 1 and DataSequenceInOrder Yes", "MaxOutstandingR2T 8 and DataSequenceInOrder No"
	for _, name := range []string{ordered, unordered} {
		t.Run(name, func(t *testing.T) {
			several := func(p *Profile) {
				atLevelOne(p)
				p.Data.MaxOutstandingR2T, p.Data.DataSequenceOutOfOrder = 8, name == unordered
			}
			inBubble(t, "plain", several, nil, func(b *bench) {
				order := pair("DataSequenceInOrder", map[bool]string{true: "No", false: "Yes"}[name == unordered])
				p := b.levelOne(pair("MaxOutstandingR2T", "8"), order, pair("MaxBurstLength", "65536"), pair("ImmediateData", "No"))
				data := bytes.Repeat([]byte{0x5a, 0xa5, 0x3c, 0xc3}, 1<<18)
				w := p.writes(0, 2048)
				p.send(w)
				began, atOnce := time.Now(), 0
				for {
					answer := p.read()
					r, asks := answer.(*pdu.R2T)
					if !asks {
						if status, ends := answer.(*pdu.SCSIResponse); !ends || status.Status != 0 {
							b.Fatalf("%v, want GOOD", answer)
						} else {
							p.counts(status.StatSN)
						}
						break
					}
					if time.Since(began) < time.Second {
						atOnce++
					}
					from := int(r.BufferOffset)
					raw := pdu.Encode(nil, &pdu.DataOut{
						Final: true, ITT: w.ITT, TTT: r.TTT, BufferOffset: r.BufferOffset, Data: data[from:][:r.DesiredDataTransferLength],
					}, p.digest)
					time.AfterFunc(late, func() { _, _ = p.conn.Write(raw) })
				}
				if want := map[bool]int{true: 8, false: 1}[name == unordered]; atOnce != want {
					t.Errorf("%d R2Ts at once, want %d", atOnce, want)
				}
				p.readsBack(data[:4096])
			})
		})
	}
}
