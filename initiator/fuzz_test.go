package initiator

import (
	"bytes"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scsi"
)

// FuzzLogin hands the login arbitrary answers: it ends, with a session or an error, within its bound of requests.
func FuzzLogin(f *testing.F) {
	for _, answers := range [][]pdu.PDU{
		{&pdu.LoginResponse{Transit: true, NSG: 1, ITT: loginTag, Data: base("AuthMethod=None").Append(nil)}},
		{&pdu.LoginResponse{ITT: loginTag, StatusClass: 1, StatusDetail: 1, Data: base("TargetAddress=[::1]:7,9").Append(nil)}},
		{&pdu.LoginResponse{ITT: loginTag, Data: base("AuthMethod=CHAP").Append(nil)}, &pdu.LoginResponse{ITT: loginTag, StatSN: 1, Data: base("CHAP_A=5", "CHAP_I=1", "CHAP_C=0x00").Append(nil)}},
		{&pdu.LoginResponse{ITT: loginTag, Continue: true, Data: []byte("Auth")}, &pdu.NOPIn{}},
	} {
		var stream []byte
		for _, p := range answers {
			stream = pdu.Encode(stream, p, pdu.Digests{})
		}
		f.Add(stream, true)
		f.Add(stream, false)
	}
	f.Fuzz(func(t *testing.T, stream []byte, withCHAP bool) {
		cfg := config()
		if withCHAP {
			cfg = chapConfig(true)
		}
		cfg.ISID = [6]byte{}
		cfg = cfg.withDefaults()
		x := newLoginExchange(&cfg, &sound, 0)
		a := loginAttempt{cfg: cfg, dev: &sound}
		reader := pdu.NewReader(bytes.NewReader(stream), pdu.Limits{MaxDataSegmentLength: loginTextLimit})
		for request := x.first(); request != nil; {
			if len(request.Data) > loginTextLimit || request.Transit && request.Continue {
				t.Fatalf("request %+v", request)
			}
			response, err := a.read(nil, reader)
			if err != nil {
				return
			}
			if request, err = x.next(response); err != nil {
				_ = err.Error()
				return
			}
		}
		if withCHAP {
			t.Fatal("a target without the secret was logged in to")
		}
	})
}

// FuzzFullFeature hands a session arbitrary bytes: every request is answered once, and the session ends.
func FuzzFullFeature(f *testing.F) {
	for _, p := range []pdu.PDU{
		&pdu.DataIn{Final: true, StatusPresent: true, StatSN: firstStatSN + 2, Data: make([]byte, 4096)},
		&pdu.SCSIResponse{StatSN: firstStatSN + 2, Status: 2, Data: pdu.SenseSegment([]byte{0x70})},
		&pdu.R2T{ITT: 1, BufferOffset: 4096, DesiredDataTransferLength: 4096},
		&pdu.NOPIn{ITT: pdu.ReservedTag, TTT: 4},
		&pdu.TextResponse{ITT: 2, TTT: 9, StatSN: firstStatSN + 2, Continue: true, Data: []byte("SendTargets=")},
		&pdu.AsyncMessage{StatSN: firstStatSN + 2, Event: 1, Parameter3: 3},
		&pdu.Reject{StatSN: firstStatSN + 2, Data: make([]byte, 48)},
		&pdu.TaskManagementResponse{ITT: 3, StatSN: firstStatSN + 2},
		&pdu.LogoutResponse{ITT: 4, StatSN: firstStatSN + 2},
	} {
		f.Add(pdu.Encode(nil, p, pdu.Digests{}))
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		bubble(t, func(t *testing.T, n *fakeNetwork) { feed(t, n, stream, config()) })
	})
}

// FuzzRecovery is FuzzFullFeature at the higher levels of error recovery, where gaps and repetitions are lawful.
func FuzzRecovery(f *testing.F) {
	var gap, late []byte
	for _, n := range []uint32{0, 2, 1, 3, 3} {
		gap = pdu.Encode(gap, &pdu.DataIn{Acknowledge: n == 2, TTT: 7, DataSN: n, BufferOffset: n * 512, Data: make([]byte, 512)}, pdu.Digests{})
	}
	for _, n := range []uint32{4, 3, 2} {
		late = pdu.Encode(late, &pdu.SCSIResponse{ITT: n, StatSN: firstStatSN + n, ExpDataSN: 9}, pdu.Digests{})
	}
	snack := pdu.BHS{byte(pdu.OpSNACKRequest), 0x80}
	f.Add(gap, byte(1))
	f.Add(late, byte(2))
	f.Add(pdu.Encode(gap, &pdu.Reject{Reason: pdu.RejectSNACK, StatSN: firstStatSN + 2, Data: snack[:]}, pdu.Digests{}), byte(1))
	f.Add(pdu.Encode(nil, &pdu.R2T{ITT: 1, R2TSN: 2, BufferOffset: 4096, DesiredDataTransferLength: 4096}, pdu.Digests{}), byte(1))
	f.Fuzz(func(t *testing.T, stream []byte, level byte) {
		bubble(t, func(t *testing.T, n *fakeNetwork) {
			cfg := offering(map[string]string{text.KeyErrorRecoveryLevel: "2", text.KeyDefaultTime2Retain: "5"})
			feed(t, n, stream, cfg, fmt.Sprintf("ErrorRecoveryLevel=%d", 1+level%2), "DefaultTime2Retain=5")
		})
	})
}

// feed logs in, submits one request of each kind, and lets the target send stream and close.
func feed(t *testing.T, n *fakeNetwork, stream []byte, cfg LoginConfig, limits ...string) {
	n.at(portalA, script(func(e *fakeEnd) {
		go func() {
			for _, err := e.reader.Read(); err == nil; _, err = e.reader.Read() {
			}
		}()
		_, _ = e.Write(stream)
	}, limits...))
	s, err := Login(t.Context(), n, cfg)
	if err != nil {
		t.Fatal(err)
	}
	var answered atomic.Int32
	requests := []*Request{readRequest(0, 4096), writeRequest(0, make([]byte, 128<<10)), readRequest(1, 512)}
	for _, r := range requests {
		r.Done = func(*Request) { answered.Add(1) }
		s.Submit(r)
	}
	s.Cancel(requests[2], ErrTimeout)
	go func() { _, _ = s.Text(t.Context(), nil) }()
	go func() { _, _ = s.TaskManagement(t.Context(), TaskManagement{Function: pdu.FunctionLogicalUnitReset}) }()
	<-s.Done()
	synctest.Wait() // What was submitted after the end is answered after it.
	if got := int(answered.Load()); got != len(requests) {
		t.Errorf("%d requests answered, want %d", got, len(requests))
	}
}

// FuzzTargets: an answer to SendTargets is either refused or gives names and addresses that are in order.
func FuzzTargets(f *testing.F) {
	f.Add([]byte("TargetName=iqn.2026-11.io.example:a\x00TargetAddress=10.0.0.1:3260,1\x00TargetAddress=[::1],2\x00TargetName=iqn.2026-11.io.example:b\x00"))
	f.Add([]byte("TargetAddress=10.0.0.1\x00"))
	f.Add([]byte("SendTargets=Reject\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		pairs, _ := text.Parse(b)
		records, err := parseTargets(&sound.Discovery, pairs)
		if err != nil {
			_ = err.Error()
			return
		}
		count := 0
		for _, target := range records.targets {
			if iscsi.ValidName(target.Name) != nil {
				t.Errorf("name %q", target.Name)
			}
			count += 1 + len(target.Addresses)
		}
		if count > len(pairs) {
			t.Errorf("%d names and addresses of %d pairs", count, len(pairs))
		}
	})
}

// FuzzEnumeration answers the questions of an enumeration with arbitrary data: it ends, asks only so much, and what it found has a name.
func FuzzEnumeration(f *testing.F) {
	f.Add(scsi.AppendLUNList(nil, []scsi.LUN{scsi.LUNOf(0)}), scsi.InquiryData{Vendor: "V", Product: "P"}.Append(nil), scsi.NAADesignator(make([]byte, 8)).Append(nil), []byte{0, 0, 7, 255, 0, 0, 2, 0})
	f.Add([]byte{0, 0, 0xff, 0xf8}, []byte{}, []byte{}, []byte{})
	f.Fuzz(func(t *testing.T, luns, inquiry, page, capacity []byte) {
		asked := 0
		e := &enumeration{target: "iqn.2026-11.io.example:a"}
		e.ask = func(q question) reply {
			asked++
			data := capacity
			switch scsi.Opcode(q.cdb[0]) {
			case scsi.OpReportLUNs:
				data = luns
			case scsi.OpInquiry:
				if data = inquiry; q.cdb[1] == 1 {
					data = scsi.VPD{Page: scsi.VPDPage(q.cdb[2]), Body: page}.Append(nil)
				}
			}
			return reply{data: data[:min(len(data), q.length)]}
		}
		if err := e.run(); err != nil {
			t.Fatal(err)
		}
		if asked > 2+6*unitsMax || len(e.units) > unitsMax {
			t.Errorf("%d questions, %d units", asked, len(e.units))
		}
		for _, u := range e.units {
			if u.name() == "" || u.name() != u.identity.Name() {
				t.Errorf("name %q", u.name())
			}
		}
	})
}
