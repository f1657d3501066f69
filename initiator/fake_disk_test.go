package initiator

import (
	"encoding/binary"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// disk serves READ(10) and WRITE(10) of a memory disk until the connection ends; other PDUs go to other, if it is not nil.
func (e *fakeEnd) disk(blocks []byte, other func(pdu.PDU)) {
	writes := map[uint32]*fakeWrite{}
	for p := e.read(); p != nil; p = e.read() {
		switch p := p.(type) {
		case *pdu.SCSICommand:
			at := int(binary.BigEndian.Uint32(p.CDB[2:])) * 512
			switch p.CDB[0] {
			case 0x28:
				e.dataIn(p.ITT, blocks[at:][:p.ExpectedDataTransferLength])
			case 0x2a:
				w := &fakeWrite{itt: p.ITT, lun: p.LUN, dst: blocks[at:][:p.ExpectedDataTransferLength]}
				w.got = copy(w.dst, p.Data)
				writes[p.ITT] = w
				w.unsolicited = !p.Final
				e.progress(w)
			default:
				e.good(p.ITT)
			}
		case *pdu.DataOut:
			w := writes[p.ITT]
			if w == nil {
				e.complain("Data-Out for no write")
				return
			}
			w.take(e, p)
			e.progress(w)
		case *pdu.LogoutRequest:
			e.write(&pdu.LogoutResponse{ITT: p.ITT})
		case *pdu.NOPOut:
			if p.ITT != pdu.ReservedTag {
				e.write(&pdu.NOPIn{ITT: p.ITT, TTT: pdu.ReservedTag, Data: p.Data})
			}
		default:
			if other != nil {
				other(p)
			}
		}
	}
}

// dataIn sends data in PDUs of the initiator's limit, the status with the last.
func (e *fakeEnd) dataIn(itt uint32, data []byte) {
	burst := 0
	for sn, offset := uint32(0), 0; offset < len(data) || sn == 0; sn++ {
		n := min(e.peerLimit, len(data)-offset, e.params.MaxBurstLength-burst)
		burst += n
		last := offset+n == len(data)
		e.write(&pdu.DataIn{
			Final: last || burst == e.params.MaxBurstLength, StatusPresent: last, ITT: itt, DataSN: sn,
			BufferOffset: uint32(offset), Data: data[offset:][:n],
		})
		if burst == e.params.MaxBurstLength {
			burst = 0
		}
		offset += n
	}
}

// fakeWrite is a write that collects its data.
type fakeWrite struct {
	itt         uint32
	lun         uint64
	dst         []byte
	got         int
	unsolicited bool // A burst without R2T is under way.
	asked       int  // End of what R2Ts have asked for.
	r2ts, open  uint32
	nextSN      map[uint32]uint32
}

// take checks a Data-Out and stores its data.
func (w *fakeWrite) take(e *fakeEnd, p *pdu.DataOut) {
	if w.nextSN == nil {
		w.nextSN = map[uint32]uint32{}
	}
	if p.DataSN != w.nextSN[p.TTT] {
		e.complain("DataSN %d, want %d", p.DataSN, w.nextSN[p.TTT])
	}
	w.nextSN[p.TTT]++
	if len(p.Data) > e.params.MaxRecvDataSegmentLength {
		e.complain("Data-Out of %d bytes, limit %d", len(p.Data), e.params.MaxRecvDataSegmentLength)
	}
	w.got += copy(w.dst[p.BufferOffset:], p.Data)
	if p.TTT == pdu.ReservedTag && !w.unsolicited {
		e.complain("unsolicited data after its end")
	}
	if p.Final {
		if p.TTT == pdu.ReservedTag {
			w.unsolicited = false
		} else {
			w.open--
		}
	}
}

// progress asks for more data, or answers when all is there.
func (e *fakeEnd) progress(w *fakeWrite) {
	if w.unsolicited {
		return
	}
	if w.got == len(w.dst) {
		e.write(&pdu.SCSIResponse{ITT: w.itt, ExpDataSN: w.r2ts})
		return
	}
	w.asked = max(w.asked, w.got)
	for w.open < uint32(e.params.MaxOutstandingR2T) && w.asked < len(w.dst) {
		n := min(e.params.MaxBurstLength, len(w.dst)-w.asked)
		e.write(&pdu.R2T{
			LUN: w.lun, ITT: w.itt, TTT: w.r2ts + 1, R2TSN: w.r2ts, BufferOffset: uint32(w.asked), DesiredDataTransferLength: uint32(n),
		})
		w.asked += n
		w.r2ts++
		w.open++
	}
}
