package initiator

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// offering returns a login whose offers are the default ones, with single values replaced.
func offering(values map[string]string) LoginConfig {
	cfg := config()
	cfg.Offers = DefaultOffers(NormalSession)
	for i := range cfg.Offers {
		if v, ok := values[cfg.Offers[i].Key]; ok {
			cfg.Offers[i].Value = v
		}
	}
	return cfg
}

// pattern is data of which no two words are alike.
func pattern(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{7}).Read(b)
	return b
}

// collect reads the Data-Out PDUs of one sequence.
func collect(e *fakeEnd) []*pdu.DataOut {
	var all []*pdu.DataOut
	for {
		p := expect[*pdu.DataOut](e)
		all = append(all, p)
		if p.Final {
			return all
		}
	}
}

// wantAnswer holds the answer to an R2T against what it asked for.
func wantAnswer(t *testing.T, data []byte, r *pdu.R2T, all []*pdu.DataOut) {
	t.Helper()
	at := r.BufferOffset
	for i, p := range all {
		if p.TTT != r.TTT || p.LUN != r.LUN || p.ITT != r.ITT || p.DataSN != uint32(i) || p.BufferOffset != at || !bytes.Equal(p.Data, data[at:][:len(p.Data)]) {
			t.Errorf("R2T %d, Data-Out %d: %v", r.R2TSN, i, p)
		}
		at += uint32(len(p.Data))
	}
	if at != r.BufferOffset+r.DesiredDataTransferLength {
		t.Errorf("R2T %d: answered until %d", r.R2TSN, at)
	}
}

func TestR2TsOutOfOrderAreAnsweredAsTheyCome(t *testing.T) {
	data := pattern(8192)
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, script(func(e *fakeEnd) {
			c := expect[*pdu.SCSICommand](e)
			var asked []*pdu.R2T
			for i, offset := range []uint32{6144, 2048, 0, 4096} {
				asked = append(asked, &pdu.R2T{ITT: c.ITT, TTT: uint32(i), R2TSN: uint32(i), BufferOffset: offset, DesiredDataTransferLength: 2048})
				e.write(asked[i])
			}
			for _, r := range asked {
				wantAnswer(t, data, r, collect(e))
			}
			e.write(&pdu.SCSIResponse{ITT: c.ITT, ExpDataSN: 4})
			c = expect[*pdu.SCSICommand](e)
			e.write(&pdu.R2T{ITT: c.ITT, BufferOffset: 6144, DesiredDataTransferLength: 2048})
			collect(e)
			e.good(c.ITT)
			e.read()
		}, "DataSequenceInOrder=No", "MaxOutstandingR2T=4", "MaxRecvDataSegmentLength=512", "ImmediateData=No"))
		s := mustLogin(t, n, offering(map[string]string{"DataSequenceInOrder": "No"}))
		if err := s.Do(t.Context(), writeRequest(0, data)); err != nil {
			t.Error(err)
		}
		var short *IncompleteError
		if err := s.Do(t.Context(), writeRequest(0, data)); !errors.As(err, &short) || short.Got != 2048 {
			t.Errorf("a target that asked for the end alone and reports success: %v", err)
		}
	})
}

func TestRecoveryR2TIsServedAndRepetitionIsNot(t *testing.T) {
	data := pattern(8192)
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, script(func(e *fakeEnd) {
			c := expect[*pdu.SCSICommand](e)
			ask := func(sn, offset, length uint32) *pdu.R2T {
				r := &pdu.R2T{ITT: c.ITT, TTT: 9 + sn, R2TSN: sn, BufferOffset: offset, DesiredDataTransferLength: length}
				e.write(r)
				return r
			}
			wantAnswer(t, data, ask(0, 0, 4096), collect(e))
			ask(0, 0, 4096)
			wantAnswer(t, data, ask(1, 1024, 512), collect(e))
			wantAnswer(t, data, ask(2, 4096, 4096), collect(e))
			e.write(&pdu.SCSIResponse{ITT: c.ITT, ExpDataSN: 3})
			e.read()
		}, "ErrorRecoveryLevel=1", "ImmediateData=No"))
		s := mustLogin(t, n, offering(map[string]string{"ErrorRecoveryLevel": "1"}))
		r := writeRequest(0, data)
		if err := s.Do(t.Context(), r); err != nil || r.Transferred != len(data) {
			t.Errorf("%v, %d bytes", err, r.Transferred)
		}
	})
}

func TestSegmentsHoldWholeWords(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		var lengths []int
		n.at(portalA, script(func(e *fakeEnd) {
			c := expect[*pdu.SCSICommand](e)
			e.write(&pdu.R2T{ITT: c.ITT, DesiredDataTransferLength: 4096})
			for _, p := range collect(e) {
				lengths = append(lengths, len(p.Data))
			}
			e.good(c.ITT)
			e.read()
		}, "MaxRecvDataSegmentLength=1022", "ImmediateData=No"))
		if err := mustLogin(t, n, config()).Do(t.Context(), writeRequest(0, make([]byte, 4096))); err != nil {
			t.Error(err)
		}
		if !slices.Equal(lengths, []int{1020, 1020, 1020, 1020, 16}) {
			t.Errorf("segments of %d bytes", lengths)
		}
	})
}
