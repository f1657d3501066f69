package simtarget

import (
	"fmt"
	"strings"
	"testing"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

// The text of a login has limits: bytes of one text, exchanges of one login, bytes of one PDU.
func TestLoginTextIsBounded(t *testing.T) {
	inBubble(t, "plain", nil, nil, func(b *bench) {
		p := b.dial("A")
		taken := 0
		for ; taken <= 2*loginTextMax; taken += loginDataMax {
			p.send(&pdu.LoginRequest{Continue: true, CSG: pdu.StageOperational, ISID: p.isid, CID: 1, ITT: 1, CmdSN: 1, ExpStatSN: p.expStat,
				Data: []byte(strings.Repeat("x", loginDataMax))})
			r := get[*pdu.LoginResponse](p)
			p.expStat = r.StatSN + 1
			if r.Status() != 0 {
				if iscsi.Status(r.Status()) != iscsi.StatusOutOfResources {
					t.Errorf("0x%04x", r.Status())
				}
				break
			}
		}
		if taken > loginTextMax {
			t.Errorf("%d bytes of text are taken, want at most %d", taken, loginTextMax)
		}
		p = b.dial("A")
		for i := range loginExchangesMax + 1 {
			r := p.ask(pdu.StageOperational, 0, false, map[bool]text.Pairs{true: p.names()}[i == 0])
			if r.Status() != 0 {
				if i != loginExchangesMax {
					t.Errorf("refused in exchange %d", i+1)
				}
				return
			}
		}
		t.Errorf("%d exchanges of one login are answered", loginExchangesMax+1)
	})
}

// Names of 223 bytes and values of 8192 are as long as they may be.
func TestLongNamesAndValues(t *testing.T) {
	name := "iqn.2026-01.io.iscsispec:" + strings.Repeat("n", 223-len("iqn.2026-01.io.iscsispec:"))
	inBubble(t, "plain", nil, nil, func(b *bench) {
		p := b.dial("A")
		p.name = name
		p.login().works()
		p = b.dial("A")
		p.name = name + "n"
		if r := p.tryLogin(); r.StatusClass == 0 {
			t.Error("an initiator name of 224 bytes is taken")
		}
		p = b.dial("A").login()
		for _, c := range []struct {
			key, value string
			sound      bool
		}{
			{"X-" + strings.Repeat("k", 61), "v", true}, // 63 bytes (RFC 7143, Section 6.1)
			{"X-" + strings.Repeat("k", 253), "v", false},
			{"X-long", strings.Repeat("v", 8192-9), true},
		} {
			p.itt++
			p.send(&pdu.TextRequest{Immediate: true, Final: true, ITT: p.itt, TTT: pdu.ReservedTag, CmdSN: p.cmdSN, ExpStatSN: p.expStat,
				Data: text.Pairs{pair(c.key, c.value)}.Append(nil)})
			q := p.read()
			r, is := q.(*pdu.TextResponse)
			_, rejected := q.(*pdu.Reject)
			if c.sound && (!is || !strings.HasSuffix(string(r.Data), "=NotUnderstood\x00")) || !c.sound && !is && !rejected {
				t.Errorf("a key of %d and a value of %d bytes: %v", len(c.key), len(c.value), q)
			}
		}
	})
}

// An answer to SendTargets of thousands of targets is cut into parts that the initiator takes, and is asked for part by part.
func TestSendTargetsOfThousands(t *testing.T) {
	const targets = 3000
	inBubble(t, "plain", func(p *Profile) {
		for i := range targets - 1 {
			p.Targets = append(p.Targets, Target{Name: fmt.Sprintf("iqn.2026-01.io.iscsispec:many.%06d", i), LUNs: []LUN{{Size: 4096}}})
		}
	}, nil, func(b *bench) {
		for _, length := range []int{512, 8192, 65536} {
			p := b.dial("A").discover(pair("MaxRecvDataSegmentLength", fmt.Sprint(length)))
			p.send(&pdu.TextRequest{Immediate: true, Final: true, ITT: 7, TTT: pdu.ReservedTag, CmdSN: p.cmdSN, Data: []byte("SendTargets=All\x00")})
			var all []byte
			for {
				r := get[*pdu.TextResponse](p)
				if len(r.Data) > length {
					t.Fatalf("%d bytes, want at most %d", len(r.Data), length)
				}
				all = append(all, r.Data...)
				if r.Final {
					break
				}
				p.send(&pdu.TextRequest{Immediate: true, Final: true, ITT: 7, TTT: r.TTT, CmdSN: p.cmdSN, ExpStatSN: r.StatSN + 1})
			}
			pairs, err := text.Parse(all)
			if names := pairs.Values(text.KeyTargetName); err != nil || len(names) != targets || names[targets-1] != fmt.Sprintf("iqn.2026-01.io.iscsispec:many.%06d", targets-2) {
				t.Errorf("%d names: %v", len(names), err)
			}
			p.conn.Close()
		}
	})
}

// What has no length at all is no reason to stop: texts, data, pings, CDBs of zeros.
func TestNothingAtAll(t *testing.T) {
	inBubble(t, "plain", nil, nil, func(b *bench) {
		p := b.dial("A").login(pair("ImmediateData", "No"))
		for _, q := range []pdu.PDU{
			&pdu.TextRequest{Immediate: true, Final: true, ITT: 7, TTT: pdu.ReservedTag, CmdSN: p.cmdSN},
			&pdu.NOPOut{Immediate: true, ITT: 8, TTT: pdu.ReservedTag, CmdSN: p.cmdSN},
			&pdu.DataOut{Final: true, ITT: 9, TTT: pdu.ReservedTag},
		} {
			p.send(q)
			if p.read() == nil {
				t.Fatalf("%s ends the connection", q.Opcode())
			}
			p.expStat++
		}
		w := p.writes(0, 0)
		p.send(w)
		if r := p.status(); r.Status != 0 || r.Overflow || r.Underflow {
			t.Errorf("%s", pdu.FrameOf(r))
		}
		w = p.writes(0, 1)
		p.send(w)
		r2t := get[*pdu.R2T](p)
		for i := range uint32(3) {
			p.send(&pdu.DataOut{ITT: w.ITT, TTT: r2t.TTT, DataSN: i, BufferOffset: r2t.BufferOffset})
		}
		p.send(&pdu.DataOut{Final: true, ITT: w.ITT, TTT: r2t.TTT, DataSN: 3, Data: make([]byte, 512)})
		if r := p.status(); r.Status != 0 {
			t.Errorf("%s", pdu.FrameOf(r))
		}
		p.works()
	})
}

// Additional header segments of every length come to an answer, and a CDB may have all that fits.
func TestAdditionalHeadersAreBounded(t *testing.T) {
	inBubble(t, "plain", nil, nil, func(b *bench) {
		p := b.dial("A").login()
		for n := 4; n <= pdu.MaxAHSLength; n += 4 {
			for _, first := range []byte{0, byte((n - 3) >> 8)} {
				ahs := make([]byte, n)
				ahs[0], ahs[1], ahs[2] = first, byte(n-3), 1
				c := p.command(make([]byte, 16))
				c.AHS = ahs
				p.send(c)
				switch q := p.read().(type) {
				case *pdu.SCSIResponse:
				case *pdu.Reject:
					p.cmdSN = c.CmdSN
				default:
					t.Fatalf("%d bytes: %v", n, q)
				}
				p.expStat++
			}
		}
		p.works()
		b.unaccounted()
	})
}

// The text of one exchange in full feature phase has limits too: its bytes, and the keys that it settles. Beyond them it is rejected, and the
// connection goes on.
func TestTextIsBounded(t *testing.T) {
	inBubble(t, "plain", nil, nil, func(b *bench) {
		p := b.dial("A").login()
		ask := func(ttt uint32, more bool, data string) pdu.PDU {
			p.send(&pdu.TextRequest{Immediate: true, Final: !more, Continue: more, ITT: 0x700, TTT: ttt, CmdSN: p.cmdSN, ExpStatSN: p.expStat, Data: []byte(data)})
			q := p.read()
			p.expStat++
			return q
		}
		taken, ttt := 0, pdu.ReservedTag
		for taken <= 2*textBytesMax {
			r, is := ask(ttt, true, strings.Repeat("x", 8192)).(*pdu.TextResponse)
			if !is {
				break
			}
			taken, ttt = taken+8192, r.TTT
		}
		if taken == 0 || taken > textBytesMax {
			t.Errorf("%d bytes of text are taken, want at most %d", taken, textBytesMax)
		}
		keys := func(n int) string {
			var pairs text.Pairs
			for i := range n {
				pairs = append(pairs, pair(fmt.Sprintf("X-%d", i), "1"))
			}
			return string(pairs.Append(nil))
		}
		if q, is := ask(pdu.ReservedTag, false, keys(saidMax)).(*pdu.TextResponse); !is {
			t.Errorf("%d keys: %v", saidMax, q)
		}
		if q, is := ask(pdu.ReservedTag, false, keys(saidMax+1)).(*pdu.Reject); !is {
			t.Errorf("%d keys: %v", saidMax+1, q)
		}
		p.works()
	})
}
