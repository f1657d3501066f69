package initiator

import (
	"errors"
	"testing"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// violation is something that a target does to a request, and the field that the initiator complains about.
type violation struct {
	request func() *Request
	serve   func(e *fakeEnd, p *pdu.SCSICommand)
	field   string
}

func violations() map[string]violation {
	read := func() *Request { return readRequest(0, 4096) }
	write := func() *Request { return writeRequest(0, make([]byte, 1<<20)) }
	block := make([]byte, 512)
	dataIn := func(p pdu.DataIn) func(*fakeEnd, *pdu.SCSICommand) {
		return func(e *fakeEnd, c *pdu.SCSICommand) { p.ITT = c.ITT; e.write(&p) }
	}
	r2t := func(p pdu.R2T) func(*fakeEnd, *pdu.SCSICommand) {
		return func(e *fakeEnd, c *pdu.SCSICommand) { p.ITT = c.ITT; e.write(&p) }
	}
	const first = 65536 // Where the first R2T begins, after the immediate data.
	return map[string]violation{
		"data beyond the end": {read, dataIn(pdu.DataIn{BufferOffset: 4096, Data: block}), "Buffer Offset"},
		"data around the end": {read, dataIn(pdu.DataIn{BufferOffset: 0xfffffe00, Data: make([]byte, 1024)}), "Buffer Offset"},
		"gap in DataSN":       {read, dataIn(pdu.DataIn{DataSN: 1, Data: block}), "DataSN"},
		"data out of order":   {read, dataIn(pdu.DataIn{BufferOffset: 512, Data: block}), "Buffer Offset"},
		"status without F":    {read, dataIn(pdu.DataIn{StatusPresent: true, Data: block}), "F"},
		"no such opcode":      {read, func(e *fakeEnd, _ *pdu.SCSICommand) { e.write(&pdu.SNACKRequest{}) }, "Opcode"},
		"login in full phase": {read, func(e *fakeEnd, _ *pdu.SCSICommand) { e.write(&pdu.LoginResponse{TSIH: 9}) }, "Opcode"},
		"gap in StatSN":       {read, func(e *fakeEnd, p *pdu.SCSICommand) { e.statSN++; e.good(p.ITT) }, "StatSN"},
		"StatSN far ahead":    {read, func(e *fakeEnd, p *pdu.SCSICommand) { e.statSN += 1 << 31; e.good(p.ITT) }, "StatSN"},
		"ExpDataSN":           {read, func(e *fakeEnd, p *pdu.SCSICommand) { e.write(&pdu.SCSIResponse{ITT: p.ITT, ExpDataSN: 5}) }, "ExpDataSN"},
		"SenseLength": {read, func(e *fakeEnd, p *pdu.SCSICommand) {
			e.write(&pdu.SCSIResponse{ITT: p.ITT, Status: 2, Data: []byte{0, 9, 1}})
		}, "SenseLength"},
		"R2T beyond the end": {write, r2t(pdu.R2T{BufferOffset: first, DesiredDataTransferLength: 1 << 21}), "Desired Data Transfer Length"},
		"R2T around the end": {write, r2t(pdu.R2T{BufferOffset: 0xffffff00, DesiredDataTransferLength: 0x200}), "Buffer Offset"},
		"R2T for nothing":    {write, r2t(pdu.R2T{BufferOffset: first}), "Desired Data Transfer Length"},
		"R2T out of order":   {write, r2t(pdu.R2T{BufferOffset: first + 512, DesiredDataTransferLength: 512}), "Buffer Offset"},
		"R2T of another LUN": {write, r2t(pdu.R2T{LUN: 1 << 48, BufferOffset: first, DesiredDataTransferLength: 512}), "LUN"},
		"R2T without tag":    {write, r2t(pdu.R2T{TTT: pdu.ReservedTag, BufferOffset: first, DesiredDataTransferLength: 512}), "Target Transfer Tag"},
		"gap in R2TSN":       {write, r2t(pdu.R2T{R2TSN: 1, BufferOffset: first, DesiredDataTransferLength: 512}), "R2TSN"},
	}
}

func TestProtocolErrorsEndTheConnection(t *testing.T) {
	for name, v := range violations() {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *fakeNetwork) {
				n.at(portalA, script(func(e *fakeEnd) {
					v.serve(e, expect[*pdu.SCSICommand](e))
					if p := e.read(); p != nil {
						t.Errorf("the initiator went on with %T", p)
					}
				}))
				s := mustLogin(t, n, config())
				err := s.Do(t.Context(), v.request())
				var broken *ProtocolError
				if !errors.Is(err, ErrTransportLost) || !errors.As(err, &broken) || broken.Field != v.field || broken.Clause == "" {
					t.Errorf("got %v", err)
				}
				<-s.Done()
			})
		})
	}
}

func TestTooManyR2Ts(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, script(func(e *fakeEnd) {
			p := expect[*pdu.SCSICommand](e)
			both := append(pdu.Encode(nil, e.r2t(p.ITT, 0, 65536), e.digests), pdu.Encode(nil, e.r2t(p.ITT, 1, 65536+262144), e.digests)...)
			_, _ = e.Write(both)
			for e.read() != nil {
			}
		}, "MaxRecvDataSegmentLength=512", "FirstBurstLength=65536"))
		s := mustLogin(t, n, config())
		s.conns[0].peerLimit = 65536
		var broken *ProtocolError
		if err := s.Do(t.Context(), writeRequest(0, make([]byte, 1<<20))); !errors.As(err, &broken) || broken.Field != "R2T" {
			t.Errorf("got %v", err)
		}
	})
}

func (e *fakeEnd) r2t(itt, sn uint32, offset int) *pdu.R2T {
	p := &pdu.R2T{ITT: itt, TTT: sn + 1, R2TSN: sn, BufferOffset: uint32(offset), DesiredDataTransferLength: 262144}
	e.stamp(p)
	return p
}

// TestHarmlessPDUsAreIgnored sends what may be ignored, and then the answer.
func TestHarmlessPDUsAreIgnored(t *testing.T) {
	for name, serve := range map[string]func(e *fakeEnd, p *pdu.SCSICommand){
		"response for no task": func(e *fakeEnd, _ *pdu.SCSICommand) { e.good(0x77770077) },
		"data for no task":     func(e *fakeEnd, _ *pdu.SCSICommand) { e.write(&pdu.DataIn{ITT: 0x12345678, Data: make([]byte, 511)}) },
		"R2T for no task": func(e *fakeEnd, _ *pdu.SCSICommand) {
			e.write(&pdu.R2T{ITT: 0x12345678, DesiredDataTransferLength: 512})
		},
		"R2T for a read":          func(e *fakeEnd, p *pdu.SCSICommand) { e.write(&pdu.R2T{ITT: p.ITT, DesiredDataTransferLength: 512}) },
		"ping answer for no ping": func(e *fakeEnd, p *pdu.SCSICommand) { e.write(&pdu.NOPIn{ITT: p.ITT, TTT: pdu.ReservedTag}) },
		"text for no request":     func(e *fakeEnd, p *pdu.SCSICommand) { e.write(&pdu.TextResponse{Final: true, ITT: p.ITT}) },
		"logout for no request":   func(e *fakeEnd, p *pdu.SCSICommand) { e.write(&pdu.LogoutResponse{ITT: p.ITT}) },
		"TMF for no request":      func(e *fakeEnd, p *pdu.SCSICommand) { e.write(&pdu.TaskManagementResponse{ITT: p.ITT}) },
		"old StatSN": func(e *fakeEnd, p *pdu.SCSICommand) {
			e.statSN--
			e.good(p.ITT)
		},
		"contradicting window": func(e *fakeEnd, _ *pdu.SCSICommand) {
			e.window = ^uint32(4)
			e.write(&pdu.NOPIn{ITT: pdu.ReservedTag, TTT: pdu.ReservedTag})
			e.window = 32
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *fakeNetwork) {
				n.at(portalA, script(func(e *fakeEnd) {
					p := expect[*pdu.SCSICommand](e)
					serve(e, p)
					e.dataIn(p.ITT, []byte("the right bytes."))
					e.disk(make([]byte, 512), nil)
				}))
				s := mustLogin(t, n, config())
				r := &Request{CDB: make([]byte, 6), Read: make([]byte, 16)}
				if err := s.Do(t.Context(), r); err != nil || string(r.Read) != "the right bytes." {
					t.Errorf("%v, %q", err, r.Read)
				}
				if err := s.Do(t.Context(), readRequest(0, 512)); err != nil {
					t.Errorf("the next request: %v", err)
				}
			})
		})
	}
}

func TestCompletedRequestIsNotTouched(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, script(func(e *fakeEnd) {
			p := expect[*pdu.SCSICommand](e)
			e.dataIn(p.ITT, make([]byte, 512))
			q := expect[*pdu.SCSICommand](e)
			if q.ITT == p.ITT {
				t.Error("the tag was used again at once")
			}
			e.write(&pdu.DataIn{ITT: p.ITT, Data: []byte{1, 2, 3, 4}})
			e.good(p.ITT)
			e.dataIn(q.ITT, make([]byte, 512))
			e.read()
		}))
		s := mustLogin(t, n, config())
		for range 2 {
			r := readRequest(0, 512)
			if err := s.Do(t.Context(), r); err != nil || r.Read[0] != 0 {
				t.Errorf("%v, %v", err, r.Read[:4])
			}
		}
	})
}

func TestDigestErrorsEndTheConnection(t *testing.T) {
	for _, at := range []int{20, 60} { // In the header, in the data.
		bubble(t, func(t *testing.T, n *fakeNetwork) {
			n.at(portalA, script(func(e *fakeEnd) {
				p := expect[*pdu.SCSICommand](e)
				in := &pdu.DataIn{Final: true, StatusPresent: true, ITT: p.ITT, Data: make([]byte, 512)}
				e.stamp(in)
				wire := pdu.Encode(nil, in, e.digests)
				wire[at] ^= 1
				_, _ = e.Write(wire)
				e.read()
			}, "HeaderDigest=CRC32C", "DataDigest=CRC32C"))
			cfg := config()
			cfg.HeaderDigest, cfg.DataDigest = []string{"CRC32C"}, []string{"CRC32C"}
			s := mustLogin(t, n, cfg)
			var digest *pdu.DigestError
			if err := s.Do(t.Context(), readRequest(0, 512)); !errors.As(err, &digest) || !errors.Is(err, ErrTransportLost) {
				t.Errorf("got %v", err)
			}
		})
	}
}
