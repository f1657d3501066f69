package simtarget

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/iscsispec/iscsispec/faults"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scsi"
)

// siege is an array in a bubble whose peers keep to no rule, and one that does: the keeper, at a target of its own. Whatever the others do,
// the keeper is served, no limit is passed, and when they have gone nothing of them is left.
type siege struct {
	*bench
	keeper  *peer
	rounds  int
	raiders []*raider
}

const (
	siegeTarget  = "iqn.2026-01.io.iscsispec:field"
	keeperTarget = "iqn.2026-01.io.iscsispec:keep.of.the.last.resort"
	siegeSecret  = "open-sesame-open"

	siegeWrites      = 256 << 10
	siegeReads       = 512 << 10
	siegeAnswers     = 128 << 10
	siegeRepeats     = 64 << 10
	siegeConnections = 12
	siegeSessions    = 8
	siegeWindow      = 16
)

// siegeOffer is what a sound initiator says, so that the array has nothing left to ask for.
var siegeOffer = text.Pairs{pair("MaxBurstLength", "16384"), pair("FirstBurstLength", "8192"), pair("DefaultTime2Retain", "20"), pair("InitialR2T", "Yes")}

// siegeProfile has small limits, so that they are reached.
func siegeProfile() *Profile {
	p := NewProfile()
	p.Name = "siege"
	p.Portals = []Portal{
		{Name: "A", Address: "10.0.0.1:3260", Tag: 1}, {Name: "B", Address: "10.0.0.2:3260", Tag: 1}, {Name: "C", Address: "10.0.0.3:3260", Tag: 2},
	}
	p.Targets = []Target{
		{Name: siegeTarget, Alias: "field", LUNs: []LUN{{Number: 0, Size: 512 << 10}, {Number: 3, Size: 4096, Sequential: true}}},
		{Name: keeperTarget, LUNs: []LUN{{Number: 0, Size: 32 << 10}}},
	}
	p.Login.CHAP = CHAPPolicy{Users: []CHAPUser{{Name: "user", Secret: siegeSecret}}, OpenPortals: []string{"A", "B"}}
	p.Session.CommandWindow, p.Session.ImmediateCommands = siegeWindow, 4
	p.Session.MaxConnections, p.Session.ErrorRecoveryLevel = 3, 2
	p.Data.TaskReporting = "FastAbort,ResponseFence,RFC3720"
	p.Session.PingInterval, p.Session.PingTimeout = 20*time.Second, 10*time.Second
	p.Data.MaxRecvDataSegmentLength, p.Data.MaxBurstLength, p.Data.FirstBurstLength = 8192, 16384, 8192
	p.Data.InitialR2T, p.Data.MaxOutstandingR2T = false, 4
	p.Recovery.RetainedBytes, p.Recovery.RetainedResponses = 32<<10, 16
	p.Data.Time2Wait, p.Data.Time2Retain = 2, 20
	return p
}

// hangs ends the process with all stacks when an input takes long on the wall clock: only virtual time may pass.
func hangs() (stop func() bool) {
	return time.AfterFunc(40*time.Second, func() {
		stacks := make([]byte, 1<<20)
		_, _ = os.Stderr.Write(stacks[:runtime.Stack(stacks, true)])
		panic("the array hangs: an input has taken 40 s")
	}).Stop
}

// besiege runs f against the array, and looks at what is left.
func besiege(t *testing.T, f func(*siege)) {
	t.Helper()
	defer hangs()()
	synctest.Test(t, func(t *testing.T) {
		network := faults.NewNetwork(1, nil, faults.Options{Window: 16 << 10})
		a, err := New(siegeProfile(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		a.writes.most, a.reads.most, a.answers.most = siegeWrites, siegeReads, siegeAnswers
		a.repeats.most = siegeRepeats
		a.connectionsMax, a.sessionsMax = siegeConnections, siegeSessions
		if err := a.Start(network.Host("target", "10.0.0.100").Listen); err != nil {
			t.Fatal(err)
		}
		b := &bench{T: t, array: a, network: network, host: network.Host("keeper", "10.1.0.1")}
		defer func() {
			a.Close()
			network.Close()
		}()
		z := &siege{bench: b}
		z.keeper = b.dial("B")
		z.keeper.isid, z.keeper.name, z.keeper.target = iscsi.RandomISID(9, 9), "iqn.2026-01.io.iscsispec:keeper", keeperTarget
		z.keeper.login(siegeOffer...)
		b.host = network.Host("raiders", "10.1.0.2")
		f(z)
		z.aftermath()
	})
}

// open counts the connections of the array, and those of them that are still logging in.
func (z *siege) open() (all, halfOpen int) {
	z.array.mu.Lock()
	defer z.array.mu.Unlock()
	for _, c := range z.array.connections {
		if !c.inSession.Load() && !c.deaf.Load() {
			halfOpen++
		}
	}
	return len(z.array.connections), halfOpen
}

// bounded fails when a limit is passed.
func (z *siege) bounded() {
	z.Helper()
	a := z.array
	for _, limit := range []struct {
		name     string
		got, min int64
		most     int64
	}{
		{"bytes of writes", a.writes.taken.Load(), 0, siegeWrites},
		{"bytes of reads", a.reads.taken.Load(), 0, siegeReads},
		{"bytes of answers", a.answers.taken.Load(), 0, siegeAnswers/2 + siegeConnections*loginTextMax*8},
		{"retained bytes", a.repeats.taken.Load(), 0, siegeRepeats},
	} {
		if limit.got < limit.min || limit.got > limit.most {
			z.Fatalf("%d %s are counted, want %d to %d", limit.got, limit.name, limit.min, limit.most)
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.connections) > siegeConnections || len(a.table.sessions) > siegeSessions+1 { // one may be on its way out
		z.Fatalf("%d connections and %d sessions", len(a.connections), len(a.table.sessions))
	}
	for _, s := range a.table.sessions {
		s.mu.Lock()
		s.fits(z.T)
		s.mu.Unlock()
	}
}

// fits fails when the session holds more than its window and its limits allow.
func (s *session) fits(t *testing.T) {
	t.Helper()
	live := s.tasks.count()
	most := siegeWindow + s.immediateMax
	switch {
	case live > most:
		t.Fatalf("a session has %d tasks, want at most %d", live, most)
	case len(s.tasks.tasks) > most+abortedMax:
		t.Fatalf("a session keeps %d tasks", len(s.tasks.tasks))
	case len(s.order.waiting) > siegeWindow:
		t.Fatalf("%d requests wait for their CmdSN in a window of %d", len(s.order.waiting), siegeWindow)
	case s.order.open < 0 || s.order.immediate < 0 || s.order.open > siegeWindow || s.order.immediate > s.immediateMax:
		t.Fatalf("%d commands and %d immediate ones are open", s.order.open, s.order.immediate)
	case len(s.managing) > managingMax:
		t.Fatalf("%d task management requests wait", len(s.managing))
	}
	if v := s.recovery; v != nil {
		kept := 0
		for _, c := range s.conns {
			if c.sent != nil {
				kept += len(c.sent.kept)
			}
		}
		if v.bytes < 0 || v.bytes > v.policy.RetainedBytes || kept > v.policy.RetainedResponses*siegeConnections ||
			len(v.tasks) > len(s.tasks.tasks)+v.policy.RetainedResponses*siegeConnections {
			t.Fatalf("%d bytes of %d tasks and %d responses are retained", v.bytes, len(v.tasks), kept)
		}
	}
}

// kept lets the keeper write a block and read it back.
func (z *siege) kept() {
	z.Helper()
	p := z.keeper
	lba := uint32(z.rounds % 64)
	z.rounds++
	block := bytes.Repeat([]byte{byte(z.rounds), byte(z.rounds >> 8), 0xa5, byte(lba)}, 128)
	w := p.writes(lba, 1)
	w.Data = block
	p.send(w)
	if _, served := p.served(w.ITT); !served {
		return
	}
	r := p.reads(lba, 1)
	p.send(r)
	if data, served := p.served(r.ITT); served && !bytes.Equal(data, block) {
		z.Fatalf("the keeper reads % x, want % x", data[:min(len(data), 8)], block[:8])
	}
}

// served waits for the end of a command and answers pings meanwhile. It reports false when the array was too busy for the command.
func (p *peer) served(itt uint32) ([]byte, bool) {
	p.Helper()
	var data []byte
	for {
		switch q := p.read().(type) {
		case *pdu.NOPIn:
			if q.TTT != pdu.ReservedTag {
				p.send(&pdu.NOPOut{Immediate: true, ITT: pdu.ReservedTag, TTT: q.TTT, CmdSN: p.cmdSN, ExpStatSN: p.expStat})
			}
		case *pdu.DataIn:
			data = append(data, q.Data...)
			if q.ITT != itt || q.StatusPresent && q.Status != 0 {
				p.Fatalf("the keeper gets %s", pdu.FrameOf(q))
			}
			if q.StatusPresent {
				p.counts(q.StatSN)
				return data, true
			}
		case *pdu.SCSIResponse:
			p.counts(q.StatSN)
			if q.ITT != itt || q.Response != 0 || q.Status != 0 && q.Status != byte(scsi.StatusBusy) {
				p.Fatalf("the keeper gets %s", pdu.FrameOf(q))
			}
			return data, q.Status == 0
		default:
			p.Fatalf("the keeper gets %v, want the end of a command", q)
		}
	}
}

// aftermath waits until everything that the raiders have left must have ended, and looks whether it has.
func (z *siege) aftermath() {
	z.Helper()
	z.kept()
	z.patience(z.array.loginPolicy().Timeout + 2*lingerTime)
	if _, halfOpen := z.open(); halfOpen > 0 {
		z.Fatalf("%d connections are still logging in when their time is over", halfOpen)
	}
	for _, r := range z.raiders {
		_ = r.conn.Close() // it may have ended long ago
	}
	z.patience(time.Minute) // Time2Wait and Time2Retain, and the lingering of the last connection
	z.array.mu.Lock()
	connections, sessions, challenges := len(z.array.connections), len(z.array.table.sessions), len(z.array.challenges)
	z.array.mu.Unlock()
	if connections != 1 || sessions != 1 || challenges != 0 {
		z.Fatalf("%d connections, %d sessions and %d challenges are left, want those of the keeper", connections, sessions, challenges)
	}
	z.unaccounted()
	z.kept()
	z.welcomes()
	z.unaccounted()
}

// patience lets time pass, in which the keeper answers the array's pings.
func (z *siege) patience(d time.Duration) {
	z.Helper()
	for ; d > 0; d -= 5 * time.Second {
		time.Sleep(5 * time.Second)
		z.kept()
	}
}

// welcomes lets a sound initiator in at the target that was attacked. What the raiders have done to its logical units may stand.
func (z *siege) welcomes() {
	z.Helper()
	p := z.dial("A")
	p.name, p.target = "iqn.2026-01.io.iscsispec:guest", siegeTarget
	p.login(siegeOffer...)
	c := p.command(scsi.Inquiry(36))
	c.Read, c.ExpectedDataTransferLength = true, 36
	p.send(c)
	if data, served := p.served(c.ITT); !served || len(data) != 36 {
		z.Fatalf("INQUIRY gives %d bytes", len(data))
	}
	p.send(&pdu.LogoutRequest{Immediate: true, ITT: 0x7777, CmdSN: p.cmdSN})
	if r := get[*pdu.LogoutResponse](p); r.Response != pdu.LogoutSuccess {
		z.Fatalf("logout is answered with %d", r.Response)
	}
	p.conn.Close()
	time.Sleep(2 * lingerTime)
}

// raider is a peer that may do anything. It reads what comes and holds it against what an array may send at all.
type raider struct {
	z    *siege
	lead *raider // the one whose session it is, which counts CmdSN
	peer         // numbers, names and digests; its reader is not used
	in   []byte
	over bool // the stream has ended, or cannot be written or understood any more
	mute bool // does not read

	talkative bool // asks for much in its login
	lagging   bool // acknowledges no more statuses

	full      bool // full feature phase
	counted   bool // statSN is known
	again     bool // statuses may come a second time
	statSN    uint32
	exp       uint32
	top       uint32
	textTTT   uint32
	r2ts      []pdu.R2T
	pings     []uint32
	segment   int    // bytes of a write; 0 writes all at once
	mutations []step // of the next PDU
	held      []byte // goes out behind the next PDU
}

func (z *siege) raid(portal string) *raider {
	conn, err := z.host.DialContext(z.Context(), "tcp", z.array.Address(portal))
	if err != nil {
		z.Fatal(err)
	}
	z.Cleanup(func() { conn.Close() })
	r := &raider{z: z}
	r.lead = r
	r.bench, r.conn, r.cid, r.cmdSN, r.itt, r.name, r.target = z.bench, conn, 1, 100, 1, initiatorName, siegeTarget
	r.isid = iscsi.RandomISID(1, uint16(len(z.raiders)))
	z.raiders = append(z.raiders, r)
	return r
}

// write sends bytes, in segments where they are wanted. A peer that does not read may find that nobody takes them.
func (r *raider) write(b []byte) {
	for len(b) > 0 && !r.over {
		n := len(b)
		if r.segment > 0 && n > r.segment && n < 1024 {
			n = r.segment
		}
		_ = r.conn.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
		if _, err := r.conn.Write(b[:n]); err != nil {
			r.over = true
		}
		b = b[n:]
		if len(b) > 0 {
			time.Sleep(time.Millisecond)
		}
	}
}

// drain reads what comes until nothing does for a while.
func (r *raider) drain() {
	if r.mute {
		return
	}
	for f := r.next(); f != nil; f = r.next() {
	}
}

// next gives the next PDU, nil when none comes.
func (r *raider) next() *pdu.Frame {
	b := make([]byte, 4096)
	for {
		if f := r.parse(); f != nil {
			return f
		}
		_ = r.conn.SetReadDeadline(time.Now().Add(3 * time.Millisecond))
		n, err := r.conn.Read(b)
		r.in = append(r.in, b[:n]...)
		if err != nil && n == 0 {
			if ne, is := errors.AsType[net.Error](err); !is || !ne.Timeout() {
				r.over = true
			}
			return nil
		}
	}
}

// parse takes a PDU from what came.
func (r *raider) parse() *pdu.Frame {
	if len(r.in) < pdu.BHSLength {
		return nil
	}
	h := pdu.BHS(r.in)
	n := (&pdu.Frame{BHS: h, AHS: make([]byte, h.TotalAHSLength()), Data: make([]byte, h.DataSegmentLength())}).WireLength(r.digest)
	if len(r.in) < n {
		return nil
	}
	reader := pdu.NewReader(bytes.NewReader(r.in[:n]), pdu.Limits{})
	reader.SetDigests(r.digest)
	f, err := reader.Read()
	if err != nil {
		r.z.Fatalf("the array sends what cannot be read: %v", err)
	}
	r.in = r.in[n:]
	r.judge(f)
	return f
}

// judge fails over what no array may send, whatever it was sent.
func (r *raider) judge(f *pdu.Frame) {
	r.z.Helper()
	p, err := f.Decode()
	if err != nil || !f.Opcode().FromTarget() || len(f.AHS) > 0 {
		r.z.Fatalf("the array sends %s: %v", f, err)
	}
	h := &f.BHS
	counts := true
	switch p := p.(type) {
	case *pdu.LoginResponse:
		if p.StatusClass != 0 {
			return
		}
	case *pdu.R2T:
		counts = false
		r.r2ts = append(r.r2ts, *p)
	case *pdu.DataIn:
		counts = p.StatusPresent
	case *pdu.NOPIn:
		if counts = p.ITT != pdu.ReservedTag; p.TTT != pdu.ReservedTag {
			r.pings = append(r.pings, p.TTT)
		}
	case *pdu.TextResponse:
		r.textTTT = p.TTT
	}
	r.numbers(h, counts, fmt.Sprint(f))
}

// numbers fails when StatSN, ExpCmdSN or MaxCmdSN do not go on as they must.
func (r *raider) numbers(h *pdu.BHS, counts bool, what string) {
	r.z.Helper()
	stat, exp, top := word(h, 24), word(h, 28), word(h, 32)
	if counts {
		if r.counted && stat != r.statSN && (!r.again || iscsi.SNLess(r.statSN, stat)) {
			r.z.Fatalf("%s has StatSN 0x%x, want 0x%x", what, stat, r.statSN)
		}
		if !r.counted || stat == r.statSN {
			r.statSN = stat + 1
		}
		if r.counted = true; !r.lagging {
			r.expStat = r.statSN
		}
	}
	if !r.full {
		return
	}
	if window := int32(top - exp + 1); window < 0 || window > siegeWindow {
		r.z.Fatalf("%s has ExpCmdSN 0x%x and MaxCmdSN 0x%x", what, exp, top)
	}
	if r.exp != 0 && !r.again && (iscsi.SNLess(exp, r.exp) || iscsi.SNLess(top, r.top)) {
		r.z.Fatalf("%s goes back from ExpCmdSN 0x%x and MaxCmdSN 0x%x", what, r.exp, r.top)
	}
	r.exp, r.top = exp, top
}
