package initiator

import (
	"bytes"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// fuzzStep is the number of bytes that make one PDU of FuzzData, fuzzSteps how many of them a run takes.
const (
	fuzzStep  = 8
	fuzzSteps = 64
)

// FuzzData has a target answer two reads and a write with PDUs that are well formed, and rightly numbered unless the input says otherwise:
// data, R2Ts and statuses in any order, at any offset. Every request is answered once, a read that succeeds has the bytes of its place, and what
// a write sends is its own.
func FuzzData(f *testing.F) {
	f.Add(byte(0), []byte{0, 0, 0, 0, 0, 8, 3, 0, 2, 2, 0, 0, 0, 1, 0, 0})
	f.Add(byte(1), []byte{1, 1, 0, 0, 0, 64, 0, 0, 1, 1, 0, 64, 0, 64, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0})
	f.Add(byte(3), []byte{0, 0, 0, 4, 0, 4, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 1, 0, 1})
	f.Fuzz(func(t *testing.T, manners byte, steps []byte) {
		bubble(t, func(t *testing.T, n *fakeNetwork) { deal(t, n, manners, steps[:min(len(steps), fuzzStep*fuzzSteps)]) })
	})
}

// deal logs in, submits the requests, and has the target go through the steps. Bit 0 of manners is ErrorRecoveryLevel 1, bit 1
// DataSequenceInOrder=No, bit 2 InitialR2T=No.
func deal(t *testing.T, n *fakeNetwork, manners byte, steps []byte) {
	limits, offers := []string{"MaxOutstandingR2T=4"}, map[string]string{}
	set := func(bit byte, key, value string) {
		if manners&bit != 0 {
			limits, offers[key] = append(limits, key+"="+value), value
		}
	}
	set(1, "ErrorRecoveryLevel", "1")
	set(2, "DataSequenceInOrder", "No")
	set(4, "InitialR2T", "No")
	content := pattern(128 << 10)
	n.at(portalA, script(func(e *fakeEnd) {
		var commands []*pdu.SCSICommand
		for len(commands) < 3 {
			switch p := e.read().(type) {
			case *pdu.SCSICommand:
				commands = append(commands, p)
			case nil:
				return
			}
		}
		go func() {
			for p := e.read(); p != nil; p = e.read() {
				if out, is := p.(*pdu.DataOut); is {
					end := int(out.BufferOffset) + len(out.Data)
					if end > len(content) || !bytes.Equal(out.Data, content[out.BufferOffset:end]) {
						t.Errorf("Data-Out of %d bytes at %d is not the write's", len(out.Data), out.BufferOffset)
					}
				}
			}
		}()
		sns := map[uint32]uint32{}
		for ; len(steps) >= fuzzStep; steps = steps[fuzzStep:] {
			e.write(fuzzPDU(steps[:fuzzStep], commands, sns, content))
		}
	}, limits...))
	s, err := Login(t.Context(), n, offering(offers))
	if err != nil {
		t.Fatal(err)
	}
	requests := []*Request{readRequest(0, 32<<10), writeRequest(0, content), readRequest(0, 512)}
	var answered [3]atomic.Int32
	for i, r := range requests {
		r.Done = func(*Request) { answered[i].Add(1) }
		s.Submit(r)
	}
	<-s.Done()
	synctest.Wait()
	for i, r := range requests {
		if got := answered[i].Load(); got != 1 {
			t.Errorf("request %d was answered %d times", i, got)
		}
		if r.Err == nil && r.Status == 0 && len(r.Read) > 0 && !bytes.Equal(r.Read[:r.Transferred], content[:r.Transferred]) {
			t.Errorf("read %d succeeded with %d bytes that are not those of its place", i, r.Transferred)
		}
	}
}

// fuzzPDU makes one PDU out of a step: its kind, the command that it is for, an offset and a length in units of 64 bytes, flags, and what is to
// be added to its sequence number.
func fuzzPDU(step []byte, commands []*pdu.SCSICommand, sns map[uint32]uint32, content []byte) pdu.PDU {
	itt := commands[int(step[1])%len(commands)].ITT
	offset, length := (int(step[2])<<8|int(step[3]))*64, (int(step[4])<<8|int(step[5]))*64
	flags, sn := step[6], sns[itt]+uint32(int32(int8(step[7])))
	switch step[0] % 4 {
	case 0:
		sns[itt]++
		offset = min(offset, len(content))
		data := content[offset:][:min(length, len(content)-offset, 64<<10)]
		return &pdu.DataIn{Final: flags&1 != 0, StatusPresent: flags&3 == 3, Acknowledge: flags&4 != 0, Underflow: flags&8 != 0, ResidualCount: uint32(flags),
			ITT: itt, DataSN: sn, BufferOffset: uint32(offset), Data: data}
	case 1:
		sns[itt]++
		return &pdu.R2T{ITT: itt, TTT: uint32(step[0]), R2TSN: sn, BufferOffset: uint32(offset), DesiredDataTransferLength: uint32(length)}
	case 2:
		return &pdu.SCSIResponse{ITT: itt, Status: flags & 2, Underflow: flags&8 != 0, ResidualCount: uint32(length), ExpDataSN: sn}
	}
	return &pdu.NOPIn{ITT: pdu.ReservedTag, TTT: uint32(flags)}
}
