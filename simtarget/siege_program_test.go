package simtarget

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/chap"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scsi"
)

// program is a siege as data: steps of four bytes, which say what is done and with which arguments. Every string of bytes is one.
type program []byte

// step is one of them.
type step struct{ op, a, b, c byte }

// next takes the next step.
func (g *program) next() step {
	var b [4]byte
	*g = (*g)[copy(b[:], *g):]
	return step{b[0] % doCount, b[1], b[2], b[3]}
}

// bytes takes bytes as they are.
func (g *program) bytes(n byte) []byte {
	b := (*g)[:min(int(n), len(*g))]
	*g = (*g)[len(b):]
	return b
}

// What a program can do, by number.
const (
	doConnect = iota
	doSelect
	doCommand
	doRead
	doWrite
	doAnswerR2T
	doStrayData
	doManage
	doPing
	doAnswerPing
	doText
	doLogout
	doSNACK
	doOpcode
	doFlip
	doLength
	doDeliver
	doCorrupt
	doTruncate
	doSegment
	doSleep
	doCut
	doAsync
	doLongCommand
	doBytes
	doLag
	doCount
)

// siegeStepsMax bounds the steps of a program, and siegeRaidersMax its connections.
const (
	siegeStepsMax   = 64
	siegeRaidersMax = 16
)

// run carries out a program.
func (z *siege) run(b []byte) {
	z.Helper()
	g := program(b)
	var r *raider
	for range siegeStepsMax {
		if len(g) == 0 {
			return
		}
		switch s := g.next(); {
		case s.op == doConnect && len(z.raiders) < siegeRaidersMax:
			r = z.connects(r, s.a, s.b)
		case s.op == doSelect && len(z.raiders) > 0:
			r = z.raiders[int(s.a)%len(z.raiders)]
		case s.op == doBytes && r != nil:
			r.write(g.bytes(s.a))
			r.drain()
		case r != nil:
			r.does(s)
			r.drain()
		}
		z.bounded()
		z.kept()
	}
}

// connects opens a connection and logs in: how names portal and kind, whose the connection whose session it joins or replaces. Changes that
// wait on the connection before are for the login.
func (z *siege) connects(before *raider, how, whose byte) *raider {
	r := z.raid([]string{"A", "B", "C"}[int(how>>6)%3])
	if before != nil {
		r.mutations, before.mutations = before.mutations, nil
	}
	r.talkative = how&0x10 != 0
	if whose > 0 && len(z.raiders) > 1 {
		of := z.raiders[int(whose)%(len(z.raiders)-1)]
		r.isid, r.cid = of.isid, of.cid
		if how&8 != 0 { // joins the session
			r.tsih, r.lead, r.cid = of.tsih, of.lead, uint16(whose>>6)+1
		}
	}
	if how&0x20 != 0 { // near the end of the numbers
		r.lead.cmdSN = 0xfffffffc
	}
	if how&7 != 7 { // else it says nothing
		r.logIn(how & 7)
	}
	return r
}

// logIn tries a login of some kind, and follows it as long as the array does.
func (r *raider) logIn(kind byte) {
	pairs := r.names()
	stage := pdu.StageOperational
	c := chap.Initiator{Own: chap.Credentials{Name: "user", Secret: siegeSecret}}
	switch kind {
	case 1:
		pairs = append(pairs, pair("HeaderDigest", "CRC32C"), pair("DataDigest", "CRC32C"))
	case 2:
		stage = pdu.StageSecurity
		pairs = append(pairs, pair("AuthMethod", "CHAP,None"))
	case 3:
		pairs = text.Pairs{pair("InitiatorName", r.name), pair("SessionType", "Discovery")}
	case 4:
		pairs = append(pairs, pair("InitialR2T", "No"), pair("MaxConnections", "3"), pair("ErrorRecoveryLevel", "2"), pair("MaxOutstandingR2T", "4"))
	case 5:
		pairs = append(pairs, pair("HeaderDigest", "CRC32C"), pair("DataDigest", "CRC32C"), pair("ErrorRecoveryLevel", "1"),
			pair("MaxRecvDataSegmentLength", "512"), pair("MaxBurstLength", "1024"), pair("FirstBurstLength", "512"))
	case 6:
		pairs = append(pairs, pair("InitialR2T", "No"), pair("DefaultTime2Retain", "0"), pair("ImmediateData", "No"))
	}
	if r.talkative {
		pairs = append(pairs, pair("TaskReporting", "FastAbort,ResponseFence,RFC3720"), pair("iSCSIProtocolLevel", "2"))
		for i := range 500 { // the answer is longer than a PDU may be
			pairs = append(pairs, pair(fmt.Sprintf("X-%03d", i), "1"))
		}
	}
	next := pdu.StageFullFeature
	started := false
	for range 8 {
		r.cmdSN = r.lead.cmdSN
		r.sends(r.request(stage, next, stage == pdu.StageOperational || kind == 2 && (!started || c.Done()), pairs))
		f := r.next()
		if f == nil || f.Opcode() != pdu.OpLoginResponse {
			return
		}
		var p pdu.LoginResponse
		_ = p.DecodeBHS(&f.BHS)
		if p.StatusClass != 0 {
			return
		}
		answers, _ := text.Parse(f.Data)
		r.answers = append(r.answers, answers...)
		if p.Transit && p.NSG == pdu.StageFullFeature {
			r.enters(&p)
			return
		}
		said := pairs
		pairs = nil
		if p.Continue {
			continue
		}
		for _, p := range answers {
			if key, known := text.Lookup(p.Key); known && key.Negotiated() && len(said.Values(p.Key)) == 0 {
				pairs = append(pairs, p) // it is agreed to whatever the array offers
			}
		}
		switch method, _ := answers.Get("AuthMethod"); {
		case p.Transit:
			stage = p.NSG
		case method == "CHAP":
			pairs, started = c.Start(), true
		case started && !c.Done():
			pairs, _ = c.Step(answers)
		}
	}
}

// enters takes over what the final response granted.
func (r *raider) enters(p *pdu.LoginResponse) {
	r.full, r.tsih = true, p.TSIH
	header, _ := r.answers.Get(text.KeyHeaderDigest)
	data, _ := r.answers.Get(text.KeyDataDigest)
	r.digest = pdu.Digests{Header: header == "CRC32C", Data: data == "CRC32C"}
}

// does carries out a step on the connection.
func (r *raider) does(s step) {
	switch s.op {
	case doCommand, doRead, doWrite, doLongCommand:
		r.commands(s)
	case doAnswerR2T:
		r.answersR2T(s)
	case doStrayData:
		r.sends(&pdu.DataOut{Final: s.a&1 != 0, ITT: r.itt - uint32(s.a>>1&3), TTT: uint32(s.b) - 1, DataSN: uint32(s.a >> 3 & 3),
			BufferOffset: uint32(s.c&15) * 512, ExpStatSN: r.expStat, Data: make([]byte, int(s.c>>4)*512)})
	case doManage:
		r.manages(s)
	case doPing:
		p := &pdu.NOPOut{Immediate: s.b&1 != 0, ITT: r.tag(), TTT: pdu.ReservedTag, ExpStatSN: r.expStat, Data: make([]byte, int(s.a)*32)}
		p.CmdSN = r.number(p.Immediate)
		r.sends(p)
	case doAnswerPing:
		if len(r.pings) > 0 {
			r.sends(&pdu.NOPOut{Immediate: true, ITT: pdu.ReservedTag, TTT: r.pings[0], CmdSN: r.lead.cmdSN, ExpStatSN: r.expStat})
			r.pings = r.pings[1:]
		}
	case doText:
		r.texts(s)
	case doLogout:
		r.sends(&pdu.LogoutRequest{Immediate: true, Reason: pdu.LogoutReason(s.a % 4), CID: r.cid + []uint16{0, 1, 2, 0xffff}[s.b%4], ITT: r.tag(), CmdSN: r.lead.cmdSN})
	case doSNACK:
		r.again = true
		r.sends(&pdu.SNACKRequest{Type: pdu.SNACKType(s.a % 6), ITT: r.itt - uint32(s.a>>6), TTT: uint32(s.a>>3&7) - 1, ExpStatSN: r.expStat,
			BegRun: r.statSN*uint32(s.b>>7) - uint32(s.b&0x7f), RunLength: uint32(s.c)})
	case doOpcode:
		f := pdu.FrameOf(&pdu.NOPOut{ITT: r.tag(), TTT: pdu.ReservedTag, CmdSN: r.number(false), ExpStatSN: r.expStat})
		f.BHS[0], f.BHS[1] = s.a, s.b
		r.again = true
		r.goes(f)
	case doAsync:
		m := Async{Which: Which{Target: siegeTarget, Nth: int(s.a % 3)}, Event: pdu.AsyncEvent(s.b % 5)}
		if err := r.z.array.Apply(Action{Async: &m}); err != nil {
			r.z.Fatal(err)
		}
	case doSleep:
		r.z.sleeps([]time.Duration{time.Millisecond, time.Second, 3 * time.Second, 12 * time.Second, 25 * time.Second}[s.a%5])
	case doCut:
		r.cuts(s.a)
	case doLag:
		r.lagging = s.a&1 == 0
	case doSegment:
		r.segment = []int{0, 1, 47, 48, 49, 100}[s.a%6]
	default:
		r.mutations = append(r.mutations, s)
	}
}

// sleeps lets time pass, in which the keeper answers pings.
func (z *siege) sleeps(d time.Duration) {
	for ; d > 5*time.Second; d -= 5 * time.Second {
		time.Sleep(5 * time.Second)
		z.kept()
	}
	time.Sleep(d)
}

// tag draws an Initiator Task Tag, which the connections of a session have in common.
func (r *raider) tag() uint32 {
	r.lead.itt++
	r.itt = r.lead.itt
	return r.itt
}

// number gives the CmdSN for a PDU, and draws it unless the PDU is immediate.
func (r *raider) number(immediate bool) uint32 {
	n := r.lead.cmdSN
	if !immediate {
		r.lead.cmdSN++
	}
	return n
}

var siegeCDBs = [][]byte{
	scsi.TestUnitReady(), scsi.Inquiry(255), scsi.InquiryVPD(0x83, 255), scsi.ReadCapacity10(), scsi.ReadCapacity16(32), scsi.ReportLUNs(0, 0xffffffff),
	{0x03, 0, 0, 0, 252, 0}, {0x1a, 0, 0x3f, 0, 255, 0}, {0x1b, 0, 0, 0, 1, 0}, {0x16, 0, 0, 0, 0, 0}, {0x17, 0, 0, 0, 0, 0},
	scsi.PersistentReserveIn(scsi.ReadFullStatus, 512), scsi.ReportSupportedOpcodes(4096), {0x12, 0, 0, 0, 0, 0}, {0xff},
	{0, 0, 0, 0, 0, 4}, {0xc0}, {0x28, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 1, 4}, {0x12, 1, 0xee, 0, 255, 4},
	{0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0}, {0x9e, 0x12, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0},
}

// commands sends a SCSI Command.
func (r *raider) commands(s step) {
	what, lba, flags := s.a, uint32(s.b), s.c
	c := &pdu.SCSICommand{Final: true, Attr: pdu.AttrSimple, ITT: r.tag(), ExpStatSN: r.expStat, Immediate: flags&0x80 != 0}
	c.CmdSN = r.number(c.Immediate)
	blocks := uint16(what) + uint16(flags&3)*256
	switch s.op {
	case doRead:
		copy(c.CDB[:], scsi.Read10(lba, blocks))
		c.Read, c.ExpectedDataTransferLength = true, uint32(blocks)*512
	case doWrite:
		copy(c.CDB[:], scsi.Write10(lba, blocks))
		c.Write, c.ExpectedDataTransferLength = true, uint32(blocks)*512
		c.Final = flags&0x10 == 0
		if flags&0x20 != 0 {
			c.Data = make([]byte, min(int(blocks)*512, 512<<(flags>>2&3)))
		}
	case doLongCommand:
		c.Read, c.Write = flags&1 != 0, flags&2 != 0
		cdb := make([]byte, int(what)+8)
		cdb[0], cdb[7] = 0x7f, byte(len(cdb)-8)
		c.SetFullCDB(cdb)
		c.ExpectedDataTransferLength = lba * 32
		if flags&4 != 0 {
			c.SetExpectedReadDataLength(lba * 64)
		}
	default:
		cdb := siegeCDBs[int(what)%len(siegeCDBs)]
		copy(c.CDB[:], cdb)
		c.Read, c.ExpectedDataTransferLength = true, []uint32{512, 0, 4, 0xffffffff}[flags&3]
		c.Attr ^= pdu.TaskAttribute(flags >> 4 & 7)
	}
	switch flags >> 2 & 3 {
	case 1:
		c.LUN = uint64(scsi.LUNOf(3))
	case 2:
		c.ExpectedDataTransferLength ^= 512
	}
	r.sends(c)
}

// answersR2T sends data that was asked for: whole, in pieces, cut short, or out of order.
func (r *raider) answersR2T(s step) {
	if len(r.r2ts) == 0 {
		return
	}
	at, how := int(s.a)%len(r.r2ts), s.b
	q := r.r2ts[at]
	r.r2ts = append(r.r2ts[:at:at], r.r2ts[at+1:]...)
	piece := uint32([]int{8192, 512, 1024, 300}[how&3])
	n := min(q.DesiredDataTransferLength, 16384)
	if how&4 != 0 {
		n -= min(n, 512)
	}
	sn := uint32(0)
	for from := uint32(0); from < n || from == 0; from += piece {
		m := min(piece, n-from)
		p := &pdu.DataOut{Final: from+m >= n && how&8 == 0, LUN: q.LUN, ITT: q.ITT, TTT: q.TTT, ExpStatSN: r.expStat, DataSN: sn,
			BufferOffset: q.BufferOffset + from, Data: make([]byte, m)}
		if how&16 != 0 {
			p.DataSN ^= 1
		}
		r.sends(p)
		sn++
	}
}

// manages sends a task management request.
func (r *raider) manages(s step) {
	flags := s.a
	p := &pdu.TaskManagementRequest{Immediate: flags&0x80 != 0, Function: pdu.TaskFunction(s.b % 14), ITT: r.tag(),
		ReferencedTaskTag: r.itt - 1 - uint32(s.c%4), ExpStatSN: r.expStat}
	p.CmdSN = r.number(p.Immediate)
	p.RefCmdSN = p.CmdSN - uint32(flags&7)
	p.ExpDataSN = uint32(flags >> 4 & 3)
	r.sends(p)
}

// texts sends a Text Request.
func (r *raider) texts(s step) {
	what, flags := s.a, s.b
	p := &pdu.TextRequest{Immediate: flags&0x80 != 0, Final: flags&1 == 0, Continue: flags&2 != 0, ITT: r.tag(), TTT: pdu.ReservedTag, ExpStatSN: r.expStat}
	p.CmdSN = r.number(p.Immediate)
	if flags&4 != 0 {
		p.ITT, p.TTT = r.itt-1, r.textTTT
		r.lead.itt--
	}
	switch what % 6 {
	case 0:
		p.Data = text.Pairs{pair("SendTargets", "All")}.Append(nil)
	case 1:
		p.Data = text.Pairs{pair("SendTargets", "")}.Append(nil)
	case 2:
		p.Data = text.Pairs{pair("MaxRecvDataSegmentLength", "512")}.Append(nil)
	case 3:
		for range 600 {
			p.Data = append(p.Data, 'x', '=', 'y', 0)
		}
	case 4:
		p.Data = make([]byte, 8192)
	case 5:
		p.Data = []byte("MaxRecvDataSegmentLength=1")[:7+int(s.c)%20]
	}
	r.sends(p)
}

// cuts ends the connection, or stops or begins to read.
func (r *raider) cuts(how byte) {
	switch how % 5 {
	case 0:
		_ = r.conn.Close()
	case 1:
		_ = r.conn.(interface{ SetLinger(int) error }).SetLinger(0)
		_ = r.conn.Close()
	case 2:
		_ = r.conn.(interface{ CloseWrite() error }).CloseWrite()
	case 3:
		r.mute = true
	case 4:
		r.mute = false
	}
}

// sends sends a PDU with the changes that wait for it.
func (r *raider) sends(p pdu.PDU) { r.goes(pdu.FrameOf(p)) }

// goes does the same with a frame.
func (r *raider) goes(f *pdu.Frame) {
	waiting := r.mutations
	r.mutations = nil
	for _, m := range waiting {
		r.again = true // what may come is up to the array
		switch m.op {
		case doFlip:
			f.BHS[int(m.a)%pdu.BHSLength] ^= m.b
		case doLength:
			f.BHS.SetDataSegmentLength(int(m.b)<<8 | int(m.c))
			if m.a&1 != 0 {
				f.BHS.SetTotalAHSLength(int(m.b) &^ 3)
			}
			if m.a&2 != 0 {
				f.BHS.SetDataSegmentLength(0xff0000 | int(m.b)<<8 | int(m.c))
			}
		}
	}
	frames := [][]byte{f.Append(nil, r.digest)}
	for _, m := range waiting {
		switch last := frames[len(frames)-1]; m.op {
		case doCorrupt:
			if len(last) == 0 {
				continue
			}
			last[int(binary.BigEndian.Uint16([]byte{m.a, m.b}))%len(last)] ^= m.c | 1
		case doTruncate:
			frames[0] = frames[0][:int(m.a)%(len(frames[0])+1)]
		case doDeliver:
			switch m.a % 3 {
			case 0:
				frames = append(frames, frames[0])
			case 1:
				r.held, frames = append(r.held, frames[0]...), nil
			}
		}
		if len(frames) == 0 {
			return
		}
	}
	for _, b := range frames {
		r.write(b)
	}
	if len(r.held) > 0 {
		held := r.held
		r.held = nil
		r.write(held)
	}
}
