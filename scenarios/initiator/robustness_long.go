package initiator

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"time"

	ini "github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scsi"
)

// robustnessLongChecks are those of the group robustness that go on for a while.
func robustnessLongChecks() []Check {
	return []Check{
		{ID: "robust.connection-close-during-login-storm", Run: loginStorm},
		{ID: "robust.inquiry-garbage", Run: garbledUnits},
		{ID: "robust.random-fuzz", Driver: func(s *Settings) { s.Offer(text.KeyMaxRecvDataSegmentLength, "1024") }, Run: randomFuzz},
	}
}

func loginStorm(t *T) {
	c := t.Session()
	t.Probe()
	t.Serve(settled)
	c.Sever()
	began := t.Now()
	var attempts []time.Duration
	for t.Now()-began < 60*time.Second {
		next := t.TryAccept("", 60*time.Second-(t.Now()-began))
		if next == nil {
			break
		}
		next.Sever()
		attempts = append(attempts, t.Now())
		if len(attempts) > 14 {
			t.Fail(fmt.Sprintf("%d attempts in %v", len(attempts), t.Now()-began), "at most 14 in a minute")
		}
	}
	if len(attempts) < 2 {
		t.Fail(fmt.Sprintf("%d attempts in a minute", len(attempts)), "periodic attempts")
	}
	for i := 1; i < len(attempts); i++ {
		if gap := attempts[i] - attempts[i-1]; gap < ini.DefaultReconnectInterval*9/10 {
			t.Fail(fmt.Sprintf("attempts %v apart", gap), fmt.Sprintf("attempts every %v", ini.DefaultReconnectInterval))
		}
	}
}

// garbles are answers to what an initiator asks about units, each with what the array says instead.
func garbles() []struct {
	name   string
	answer func(cdb []byte) []byte
} {
	huge := make([]byte, 8+8*4096)
	binary.BigEndian.PutUint32(huge, 8*100_000)
	for i := range 4096 {
		binary.BigEndian.PutUint16(huge[8+8*i:], 0x4000|uint16(i))
	}
	only := func(op scsi.Opcode, data []byte) func([]byte) []byte {
		return func(cdb []byte) []byte {
			if scsi.Opcode(cdb[0]) != op {
				return nil
			}
			return data
		}
	}
	full := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = 0xff
		}
		return b
	}
	return []struct {
		name   string
		answer func(cdb []byte) []byte
	}{
		{"blocks of no length", only(scsi.OpReadCapacity10, []byte{0, 0, 1, 0, 0, 0, 0, 0})},
		{"2^64 blocks", func(cdb []byte) []byte {
			switch scsi.Opcode(cdb[0]) {
			case scsi.OpReadCapacity10:
				return []byte{0xff, 0xff, 0xff, 0xff, 0, 0, 2, 0}
			case scsi.OpServiceActionIn16:
				return append(full(8), 0, 0, 2, 0)
			}
			return nil
		}},
		{"100 000 LUNs", only(scsi.OpReportLUNs, huge)},
		{"a list longer than it is", only(scsi.OpReportLUNs, full(16))},
		{"pages longer than they are", func(cdb []byte) []byte {
			if scsi.Opcode(cdb[0]) == scsi.OpInquiry && cdb[1]&1 != 0 {
				return append([]byte{0, cdb[2], 0xff, 0xff}, full(12)...)
			}
			return nil
		}},
		{"names that are no text", func(cdb []byte) []byte {
			if scsi.Opcode(cdb[0]) == scsi.OpInquiry && cdb[1]&1 == 0 {
				return append([]byte{0, 0, 5, 2, 0xff, 0, 0, 0}, full(28)...)
			}
			return nil
		}},
		{"INQUIRY data of one byte", only(scsi.OpInquiry, []byte{0})},
	}
}

func garbledUnits(t *T) {
	for _, g := range garbles() {
		t.Part(g.name, func() {
			t.Start(Login{})
			c := t.Accept()
			if !c.Login() {
				t.Unclear("The login did not reach full feature phase.")
			}
			for range 2 * 4096 {
				task := c.TryCommand(2*time.Second, scsi.OpInquiry, scsi.OpReportLUNs, scsi.OpReadCapacity10, scsi.OpServiceActionIn16)
				if task == nil {
					break
				}
				data := g.answer(task.Full)
				if data == nil {
					c.Good(task)
					continue
				}
				n := min(len(data), task.Length())
				task.read = data
				c.DataIn(task, 0, n, Final)
				c.Status(task, scsi.StatusGood, func(p *pdu.SCSIResponse) {
					if more := len(data) - n; more > 0 {
						p.Overflow, p.ResidualCount = true, uint32(more)
					}
				})
			}
			t.RAlive()
		})
	}
}

// Mutations of a run in a bubble, where the trace keeps every PDU, and of one on sockets.
const (
	mutationsInBubble  = 1_000
	mutationsOnSockets = 100_000
	mutationBatch      = 1_000
)

// mutator changes one to three fields of some PDUs.
type mutator struct {
	random *rand.Rand
	made   int
}

// mutate changes every fourth PDU. The data of reads is left alone, since without digests nobody can see that it was changed.
func (m *mutator) mutate(f *pdu.Frame) {
	if m.random.IntN(4) != 0 {
		return
	}
	m.made++
	for range 1 + m.random.IntN(3) {
		switch at := 4 * m.random.IntN(12); m.random.IntN(4) {
		case 0:
			f.BHS[m.random.IntN(len(f.BHS))] ^= 1 << m.random.IntN(8)
		case 1:
			f.BHS[m.random.IntN(len(f.BHS))] = byte(m.random.Uint32())
		case 2:
			near := binary.BigEndian.Uint32(f.BHS[at:]) + uint32(m.random.IntN(5)) - 2
			binary.BigEndian.PutUint32(f.BHS[at:], near)
		default:
			if len(f.Data) > 0 && f.Opcode() != pdu.OpDataIn {
				f.Data = append([]byte(nil), f.Data...)
				f.Data[m.random.IntN(len(f.Data))] = byte(m.random.Uint32())
			}
		}
	}
}

func randomFuzz(t *T) {
	total := mutationsOnSockets
	if t.Virtual() {
		total = mutationsInBubble
	}
	m := &mutator{random: rand.New(rand.NewPCG(t.env.Seed, 0xf022))}
	t.Session()
	for m.made < total {
		for batch := m.made + min(mutationBatch, total-m.made); m.made < batch; {
			t.mutated(m)
		}
		for _, c := range t.conns {
			c.Sever()
		}
		t.RAlive()
	}
}

// mutated has one operation done over connections on which PDUs are changed, and looks at what a read brings. What the initiator does about
// connections is its own business meanwhile.
func (t *T) mutated(m *mutator) {
	t.Mangle = m.mutate
	lba := uint64(8 * m.random.IntN(1024))
	ops := []Op{Read{LBA: lba, Blocks: 8}, Read{LBA: lba, Blocks: 8}, Write{LBA: 1 << 14, Blocks: 256}, Ping{Data: []byte("ping")},
		SendText{Pairs: text.Pairs{{Key: "X-io.iscsispec.a", Value: "b"}}}}
	op := t.Start(ops[m.random.IntN(len(ops))])
	noted := len(t.findings)
	t.Soundly(func() {
		for range 4 {
			t.guarded(func() {
				t.until(AnswerTime, func() bool {
					t.welcome()
					return op.Ended()
				})
			})
			if op.Ended() {
				return
			}
			for _, c := range t.conns {
				c.Sever()
			}
		}
		t.Mangle = nil
	})
	t.Mangle = nil
	t.findings = t.findings[:noted] // what a login or a write that is disturbed did not bring is no fault
	r := t.concluded(op)
	if read, is := op.Op.(Read); is && r.Good() && r.Request != nil {
		t.Pattern(r.Data[:r.Request.Transferred/BlockSize*BlockSize], read.LBA)
	}
}
