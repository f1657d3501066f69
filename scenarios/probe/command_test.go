package probe_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
)

func attention() []byte {
	return pdu.SenseSegment(scsi.NewSense(scsi.UnitAttention, scsi.PowerOnOrReset).Append(nil))
}

func TestUnitAttentions(t *testing.T) {
	for attentions, want := range map[int]struct{ probe, cleared bool }{0: {true, true}, 1: {true, true}, 2: {false, true}, 9: {false, true}} {
		in(t, probe.Options{}, func(t *testing.T, p *probe.Prober) {
			c := granted(t, p, probe.Login{})
			if err := c.Probe(); (err == nil) != want.probe {
				t.Errorf("%d unit attentions: %v", attentions, err)
			} else if err != nil && !strings.Contains(err.Error(), "Actual: CHECK CONDITION (UNIT ATTENTION") {
				t.Error(err)
			}
			if err := c.ClearUnitAttentions(); (err == nil) != want.cleared {
				t.Errorf("%d unit attentions: %v", attentions, err)
			}
		}, func(p *peer) {
			p.login()
			for range attentions {
				if c, ok := p.receive().(*pdu.SCSICommand); ok {
					p.scsi(c, byte(scsi.StatusCheckCondition), attention())
				}
			}
			p.serve()
		})
	}
}

// disk answers READ CAPACITY, READ(10) and WRITE(10) from a few blocks of 512 bytes, with R2Ts of at most burst bytes.
type disk struct {
	data  []byte
	burst int
	outs  []*pdu.DataOut
	cmds  []*pdu.SCSICommand
}

func (d *disk) serve(p *peer) {
	for {
		c, ok := p.receive().(*pdu.SCSICommand)
		if !ok {
			return
		}
		d.cmds = append(d.cmds, c)
		lba := int(c.CDB[5])
		switch scsi.Opcode(c.CDB[0]) {
		case scsi.OpReadCapacity10:
			p.data(c, scsi.CapacityOf(uint64(len(d.data)/512), 512).Append(nil), 8192)
		case scsi.OpRead10:
			p.data(c, d.data[lba*512:][:c.ExpectedDataTransferLength], 1024)
		case scsi.OpWrite10:
			d.write(p, c, d.data[lba*512:][:c.ExpectedDataTransferLength])
		default:
			p.good(c)
		}
	}
}

// data answers a read in PDUs of at most most bytes, the last one with the status.
func (p *peer) data(c *pdu.SCSICommand, b []byte, most int) {
	for offset := 0; offset < len(b); {
		n := min(most, len(b)-offset)
		in := &pdu.DataIn{ITT: c.ITT, TTT: pdu.ReservedTag, DataSN: uint32(offset / most), BufferOffset: uint32(offset), Data: b[offset : offset+n],
			ExpCmdSN: c.CmdSN + 1, MaxCmdSN: c.CmdSN + 32}
		offset += n
		if offset == len(b) {
			in.Final, in.StatusPresent, in.StatSN = true, true, p.status()
		}
		p.send(in)
	}
}

func (d *disk) write(p *peer, c *pdu.SCSICommand, to []byte) {
	received := copy(to, c.Data)
	take := func() bool {
		for {
			o, ok := p.receive().(*pdu.DataOut)
			if !ok {
				return false
			}
			d.outs = append(d.outs, o)
			received += copy(to[o.BufferOffset:], o.Data)
			if o.Final {
				return true
			}
		}
	}
	if !c.Final && !take() {
		return
	}
	for n := uint32(0); received < len(to); n++ {
		p.send(&pdu.R2T{ITT: c.ITT, TTT: 0x100 + n, R2TSN: n, StatSN: p.statSN, BufferOffset: uint32(received),
			DesiredDataTransferLength: uint32(min(d.burst, len(to)-received))})
		if !take() {
			return
		}
	}
	p.good(c)
}

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * 7 >> 3)
	}
	return b
}

func TestReadAndWriteOfBytes(t *testing.T) {
	for name, c := range map[string]struct {
		keys      []text.Pair // what the target answers to the same keys
		immediate int         // bytes in the command PDU
		first     int         // bytes in unsolicited Data-Out
		outs      int         // Data-Out PDUs in all
	}{
		"solicited only": {[]text.Pair{pair("ImmediateData", "No"), pair("InitialR2T", "Yes")}, 0, 0, 10},
		"immediate":      {[]text.Pair{pair("ImmediateData", "Yes"), pair("InitialR2T", "Yes")}, 1024, 0, 8},
		"unsolicited":    {[]text.Pair{pair("ImmediateData", "No"), pair("InitialR2T", "No")}, 0, 2048, 9},
		"both":           {[]text.Pair{pair("ImmediateData", "Yes"), pair("InitialR2T", "No")}, 1024, 1024, 8},
	} {
		d := &disk{data: make([]byte, 64*512), burst: 3072}
		in(t, probe.Options{}, func(t *testing.T, p *probe.Prober) {
			offers := append(text.Pairs{pair("MaxBurstLength", "3072"), pair("FirstBurstLength", "2048")}, c.keys...)
			conn := granted(t, p, probe.Login{Keys: offers})
			want := pattern(7500) // Not whole blocks: 15 of them.
			write, err := conn.WriteCommand(3, want)
			if err != nil {
				t.Fatal(err)
			}
			if r := conn.Execute(write); !r.Good() {
				t.Fatalf("%s: %v", name, r)
			}
			read, err := conn.ReadCommand(3, 7500)
			if err != nil {
				t.Fatal(err)
			}
			r := conn.Execute(read)
			if !r.Good() || len(r.Data) != 15*512 || !bytes.Equal(r.Data[:7500], want) || !bytes.Equal(r.Data[7500:], make([]byte, 180)) || len(r.Task.DataIns) != 8 {
				t.Errorf("%s: %v, %d bytes, %d Data-In", name, r, len(r.Data), len(r.Task.DataIns))
			}
			if capacity, err := conn.Capacity(); err != nil || capacity != (probe.Capacity{BlockSize: 512, Blocks: 64}) {
				t.Errorf("%s: %v, %v", name, capacity, err)
			}
			if _, err := conn.ReadCommand(0, 65*512); err == nil {
				t.Errorf("%s: more than the disk holds", name)
			}
		}, func(p *peer) {
			answers := append(text.Pairs{pair("MaxBurstLength", "3072"), pair("FirstBurstLength", "2048"), pair("MaxRecvDataSegmentLength", "1024")}, c.keys...)
			p.login(answers...)
			d.serve(p)
		})
		write := d.cmds[1]
		if len(write.Data) != c.immediate || write.Final != (c.first == 0) || !write.Write || write.ExpectedDataTransferLength != 15*512 || len(d.cmds) != 3 {
			t.Errorf("%s: %d immediate bytes, %d commands, %+v", name, len(write.Data), len(d.cmds), write)
		}
		unsolicited := 0
		for i, out := range d.outs {
			if out.TTT == pdu.ReservedTag {
				unsolicited += len(out.Data)
			}
			restart := i == 0 || d.outs[i-1].Final
			if restart != (out.DataSN == 0) || len(out.Data) > 1024 {
				t.Errorf("%s: Data-Out %d: %+v", name, i, out)
			}
		}
		if unsolicited != c.first || len(d.outs) < c.outs-2 {
			t.Errorf("%s: %d unsolicited bytes, %d Data-Out", name, unsolicited, len(d.outs))
		}
	}
}

func TestHeldWrite(t *testing.T) {
	d := &disk{data: make([]byte, 8*512), burst: 1024}
	in(t, probe.Options{}, func(t *testing.T, p *probe.Prober) {
		c := granted(t, p, probe.Login{Keys: text.Pairs{pair("ImmediateData", "No")}})
		task := c.Start(probe.Command{CDB: scsi.Write10(0, 4), Write: pattern(2048)})
		first, e := task.AwaitR2T()
		if first == nil {
			t.Fatal(e)
		}
		if _, silent := c.AwaitSilence(); !silent {
			t.Error("the target does not wait")
		}
		task.Serve(first)
		second, e := task.AwaitR2T()
		if second == nil {
			t.Fatal(e)
		}
		// The last one is left to Await.
		if r := task.Await(); !r.Good() || len(task.R2Ts) != 2 || task.R2Ts[1] != second {
			t.Errorf("%v, %v", r, task.R2Ts)
		}
		if !bytes.Equal(d.data[:2048], pattern(2048)) {
			t.Error("other data were written")
		}
	}, func(p *peer) {
		p.login(pair("ImmediateData", "No"))
		d.serve(p)
	})
}

func TestCommandOverrides(t *testing.T) {
	var got []*pdu.SCSICommand
	in(t, probe.Options{LUN: 5 << 48}, func(t *testing.T, p *probe.Prober) {
		c := granted(t, p, probe.Login{})
		before := c.Session.CmdSN
		for _, cmd := range []probe.Command{
			{CDB: scsi.Inquiry(96), Read: 96, EDTL: new(uint32(8)), Immediate: true, Attr: new(pdu.AttrOrdered)},
			{CDB: scsi.TestUnitReady(), LUN: new(uint64(0)), Patch: func(p *pdu.SCSICommand) { p.CmdSN = 77 }},
			{CDB: append([]byte{0x7f}, make([]byte, 31)...)},
		} {
			if r := c.Execute(cmd); !r.Answered {
				t.Error(r)
			}
		}
		if c.Session.CmdSN != before+2 {
			t.Errorf("CmdSN went from %d to %d", before, c.Session.CmdSN)
		}
	}, func(p *peer) {
		p.login()
		for range 3 {
			c, _ := p.receive().(*pdu.SCSICommand)
			got = append(got, c)
			p.good(c)
		}
		p.serve()
	})
	if a := got[0]; !a.Immediate || a.ExpectedDataTransferLength != 8 || a.Attr != pdu.AttrOrdered || a.LUN != 5<<48 || !a.Read {
		t.Errorf("%+v", a)
	}
	if a := got[1]; a.CmdSN != 77 || a.LUN != 0 || a.Attr != pdu.AttrSimple {
		t.Errorf("%+v", a)
	}
	if full, err := got[2].FullCDB(); err != nil || len(full) != 32 {
		t.Errorf("%x, %v", full, err)
	}
}

func TestResults(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(*peer, *pdu.SCSICommand)
		check  func(probe.Result) bool
	}{
		"check condition": {func(p *peer, c *pdu.SCSICommand) {
			p.scsi(c, 2, pdu.SenseSegment(scsi.NewSense(scsi.IllegalRequest, scsi.InvalidOpcode).Append(nil)))
		}, func(r probe.Result) bool {
			return r.Check() && r.Check(scsi.LBAOutOfRange, scsi.InvalidOpcode) && !r.Check(scsi.LBAOutOfRange) && !r.Good() && !r.UnitAttention() && r.Err() != nil
		}},
		"sense that cannot be read": {func(p *peer, c *pdu.SCSICommand) { p.scsi(c, 2, []byte{0, 1, 0xff}) },
			func(r probe.Result) bool { return r.Check() && r.Sense == nil && r.String() == "CHECK CONDITION" }},
		"target failure": {func(p *peer, c *pdu.SCSICommand) {
			p.send(&pdu.SCSIResponse{ITT: c.ITT, Response: pdu.ResponseTargetFailure, StatSN: p.status()})
		}, func(r probe.Result) bool {
			return r.Answered && !r.Good() && strings.Contains(r.String(), "response code 0x01")
		}},
		"residual": {func(p *peer, c *pdu.SCSICommand) {
			p.send(&pdu.DataIn{ITT: c.ITT, TTT: pdu.ReservedTag, Final: true, StatusPresent: true, Underflow: true, ResidualCount: 92, Data: []byte("abcd"), StatSN: p.status()})
		}, func(r probe.Result) bool {
			return r.Good() && r.Underflow && r.Residual == 92 && string(r.Data) == "abcd"
		}},
		"data beyond the end": {func(p *peer, c *pdu.SCSICommand) {
			p.send(&pdu.DataIn{ITT: c.ITT, TTT: pdu.ReservedTag, BufferOffset: 0xfffffff0, Data: []byte("abcd")})
			p.good(c)
		}, func(r probe.Result) bool { return r.Good() && r.Stray() && len(r.Data) == 0 }},
		"a drop": {func(p *peer, _ *pdu.SCSICommand) { p.conn.Close() }, func(r probe.Result) bool { return !r.Answered && r.Event.Ended() && r.Err() != nil }},
	} {
		in(t, probe.Options{}, func(t *testing.T, p *probe.Prober) {
			r := granted(t, p, probe.Login{}).Execute(probe.Command{CDB: scsi.Inquiry(96), Read: 96})
			if !c.check(r) {
				t.Errorf("%s: %v", name, r)
			}
		}, func(p *peer) {
			p.login()
			command, _ := p.receive().(*pdu.SCSICommand)
			c.answer(p, command)
			p.serve()
		})
	}
}

func TestTaskManagement(t *testing.T) {
	in(t, probe.Options{}, func(t *testing.T, p *probe.Prober) {
		c := granted(t, p, probe.Login{})
		r, e := c.Manage(c.TaskManagement(pdu.FunctionAbortTask, 99, 1))
		if r == nil || r.Response != 1 {
			t.Errorf("%v", e)
		}
		if r, e := c.Logout(pdu.LogoutCloseSession, 1); r == nil || r.Response != pdu.LogoutSuccess {
			t.Errorf("%v", e)
		}
		if d := c.AwaitDrop(); !d.Dropped {
			t.Errorf("%v", d)
		}
	}, func(p *peer) {
		p.login()
		q, _ := p.receive().(*pdu.TaskManagementRequest)
		if !q.Immediate || q.Function != pdu.FunctionAbortTask || q.ReferencedTaskTag != 99 {
			p.t.Errorf("%+v", q)
		}
		p.send(&pdu.TaskManagementResponse{ITT: q.ITT, Response: 1, StatSN: p.status()})
		p.serve()
	})
}

func TestSendTargets(t *testing.T) {
	whole := text.Pairs{pair("TargetName", "iqn.a"), pair("TargetAddress", "10.0.0.1:3260,1"), pair("TargetAddress", "[::1]:3260,2"), pair("TargetName", "iqn.b"),
		pair("TargetAlias", "second")}
	in(t, probe.Options{}, func(t *testing.T, p *probe.Prober) {
		c := granted(t, p, probe.Login{Discovery: true})
		records, r, err := c.SendTargets("All")
		if err != nil || !r.Complete || len(r.Responses) != 3 || len(records) != 2 || len(records[0].Addresses) != 2 || records[1].Alias != "second" {
			t.Errorf("%+v, %v", records, err)
		}
		if diff := cmp.Diff(whole, r.Pairs); diff != "" {
			t.Error(diff)
		}
		if _, _, err := c.SendTargets("iqn.a"); err == nil || !strings.Contains(err.Error(), "Actual: Reject") {
			t.Errorf("%v", err)
		}
	}, func(p *peer) {
		p.login()
		for i, part := range text.Split(whole, 45) {
			q, _ := p.receive().(*pdu.TextRequest)
			response := &pdu.TextResponse{ITT: q.ITT, TTT: 9, Continue: i < 2, StatSN: p.status(), Data: part}
			if i == 2 {
				response.Final, response.TTT = true, pdu.ReservedTag
			}
			if i > 0 && (q.TTT != 9 || len(q.Data) > 0) {
				p.t.Errorf("%+v", q)
			}
			p.send(response)
		}
		q, _ := p.receive().(*pdu.TextRequest)
		var header pdu.BHS
		q.EncodeBHS(&header)
		p.send(&pdu.Reject{Reason: pdu.RejectProtocolError, StatSN: p.status(), Data: header[:]})
		p.serve()
	})
}

func TestParseRecordsFaults(t *testing.T) {
	for _, pairs := range []text.Pairs{
		{pair("TargetAddress", "10.0.0.1,1")}, {pair("TargetName", "iqn.a"), pair("TargetAddress", "::1,1")}, {pair("TargetName", "iqn.a"), pair("X-a", "1")},
	} {
		records, err := probe.ParseRecords(append(pairs, pair("TargetName", "iqn.z")))
		if err == nil || records[len(records)-1].Name != "iqn.z" {
			t.Errorf("%v: %v, %v", pairs, records, err)
		}
	}
}
