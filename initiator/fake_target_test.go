package initiator

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

const (
	testInitiator = "iqn.2026-01.org.example:host"
	testTarget    = "iqn.2026-01.org.example:disk"
	portalA       = "192.0.2.1:3260"
	portalB       = "192.0.2.2:3260"
	fakeTSIH      = 0x0101
	firstStatSN   = 0x1000
)

// fakeNetwork is a Dialer whose addresses are functions: each connection is served by the function of its address.
type fakeNetwork struct {
	t      testing.TB
	mu     sync.Mutex
	places map[string]func(*fakeEnd)
	dialed []string
}

func newNetwork(t testing.TB) *fakeNetwork {
	return &fakeNetwork{t: t, places: map[string]func(*fakeEnd){}}
}

// at sets who serves an address; it returns the network for chaining.
func (n *fakeNetwork) at(address string, serve func(*fakeEnd)) *fakeNetwork {
	n.places[address] = serve
	return n
}

func (n *fakeNetwork) DialContext(_ context.Context, _, address string) (net.Conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.dialed = append(n.dialed, address)
	serve := n.places[address]
	if serve == nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	}
	ours, theirs := net.Pipe()
	go func() {
		defer theirs.Close()
		serve(&fakeEnd{t: n.t, Conn: theirs, reader: pdu.NewReader(theirs, pdu.Limits{}), statSN: firstStatSN, tsih: fakeTSIH, window: 32})
	}()
	return ours, nil
}

// fakeEnd is the target's end of one connection, for scripts: it reads and writes whole PDUs and keeps the target's numbers.
type fakeEnd struct {
	net.Conn
	t         testing.TB
	reader    *pdu.Reader
	digests   pdu.Digests
	statSN    uint32
	expCmdSN  uint32
	window    uint32
	tsih      uint16
	peerLimit int
	params    text.Params
	logins    []pdu.LoginRequest
	lenient   bool         // Hangs up on a bad negotiation instead of failing the test.
	picksNone bool         // Answers None to any digest offer.
	keys      text.Pairs   // All that the initiator sent in the login.
	witness   func(...any) // Told of each PDU that arrives; may be nil.
}

// complain fails the test, or tells the witness: a deviating initiator is no failure of the test.
func (e *fakeEnd) complain(format string, args ...any) {
	if e.witness != nil {
		e.witness(fmt.Sprintf(format, args...))
		return
	}
	e.t.Errorf(format, args...)
}

// read returns the next PDU, or nil at the end of the connection.
func (e *fakeEnd) read() pdu.PDU {
	f, err := e.reader.Read()
	if err != nil {
		return nil
	}
	if e.witness != nil {
		e.witness(fmt.Sprintf("%x %x", f.BHS, f.Data))
	}
	p, err := f.Decode()
	if err != nil {
		e.complain("initiator sent a PDU that does not decode: %v", err)
		return nil
	}
	if !f.BHS.Immediate() && f.Opcode() != pdu.OpDataOut {
		e.expCmdSN = binary.BigEndian.Uint32(f.BHS[24:]) + 1
	}
	return p
}

// expect reads a PDU of type P. At anything else it fails the test and ends the connection, and the script with it.
func expect[P pdu.PDU](e *fakeEnd) P {
	p := e.read()
	got, ok := p.(P)
	if !ok {
		e.complain("initiator sent %T, want %T", p, got)
		runtime.Goexit()
	}
	return got
}

// write sends p with the target's numbers filled in; the StatSN of p is kept if it is not 0.
func (e *fakeEnd) write(p pdu.PDU) {
	e.stamp(p)
	_, _ = e.Write(pdu.Encode(nil, p, e.digests))
}

func (e *fakeEnd) maxCmdSN() uint32 { return e.expCmdSN + e.window - 1 }

func (e *fakeEnd) stamp(p pdu.PDU) {
	status := func(sn *uint32) {
		*sn = e.statSN
		e.statSN++
	}
	switch p := p.(type) {
	case *pdu.LoginResponse:
		status(&p.StatSN)
		p.ExpCmdSN, p.MaxCmdSN = e.expCmdSN, e.maxCmdSN()
	case *pdu.SCSIResponse:
		status(&p.StatSN)
		p.ExpCmdSN, p.MaxCmdSN = e.expCmdSN, e.maxCmdSN()
	case *pdu.DataIn:
		if p.StatusPresent {
			status(&p.StatSN)
		}
		if p.TTT == 0 {
			p.TTT = pdu.ReservedTag
		}
		p.ExpCmdSN, p.MaxCmdSN = e.expCmdSN, e.maxCmdSN()
	case *pdu.R2T:
		p.StatSN, p.ExpCmdSN, p.MaxCmdSN = e.statSN, e.expCmdSN, e.maxCmdSN()
	case *pdu.NOPIn:
		p.StatSN = e.statSN
		if p.ITT != pdu.ReservedTag {
			e.statSN++
		}
		p.ExpCmdSN, p.MaxCmdSN = e.expCmdSN, e.maxCmdSN()
	case *pdu.TaskManagementResponse:
		status(&p.StatSN)
		p.ExpCmdSN, p.MaxCmdSN = e.expCmdSN, e.maxCmdSN()
	case *pdu.TextResponse:
		status(&p.StatSN)
		p.ExpCmdSN, p.MaxCmdSN = e.expCmdSN, e.maxCmdSN()
	case *pdu.LogoutResponse:
		status(&p.StatSN)
		p.ExpCmdSN, p.MaxCmdSN = e.expCmdSN, e.maxCmdSN()
	case *pdu.AsyncMessage:
		status(&p.StatSN)
		p.ExpCmdSN, p.MaxCmdSN = e.expCmdSN, e.maxCmdSN()
	case *pdu.Reject:
		status(&p.StatSN)
		p.ExpCmdSN, p.MaxCmdSN = e.expCmdSN, e.maxCmdSN()
	}
}

// readLogin reads one Login Request and notes it.
func (e *fakeEnd) readLogin() *pdu.LoginRequest {
	p, ok := e.read().(*pdu.LoginRequest)
	if !ok {
		return nil
	}
	e.expCmdSN = p.CmdSN
	e.logins = append(e.logins, *p)
	pairs, err := text.Parse(p.Data)
	if err != nil {
		e.complain("login text: %v", err)
	}
	e.keys = append(e.keys, pairs...)
	return p
}

// answerLogin answers a Login Request with its own stages and T bit.
func (e *fakeEnd) answerLogin(p *pdu.LoginRequest, pairs text.Pairs) {
	r := &pdu.LoginResponse{
		Transit: p.Transit, CSG: p.CSG, NSG: p.NSG, ISID: p.ISID, ITT: p.ITT, Data: pairs.Append(nil),
	}
	if p.Transit && p.NSG == pdu.StageFullFeature {
		r.TSIH = e.tsih
	}
	e.write(r)
}

// login accepts a login, limiting keys as given ("MaxBurstLength=16384"). It reports false when the connection ended before.
func (e *fakeEnd) login(limits ...string) bool {
	n := text.NewNegotiation(text.Target, text.Normal, baseWants(limits))
	for {
		p := e.readLogin()
		if p == nil {
			return false
		}
		if p.CSG == pdu.StageSecurity {
			n.SetStage(text.SecurityNegotiation)
		} else {
			n.SetStage(text.LoginOperationalNegotiation)
		}
		pairs, _ := text.Parse(p.Data)
		for i := range pairs {
			if e.picksNone && isDigest(pairs[i].Key) {
				pairs[i].Value = "None"
			}
		}
		answers, err := n.Receive(pairs)
		if err != nil {
			if !e.lenient {
				e.complain("negotiation: %v", err)
			}
			return false
		}
		e.answerLogin(p, append(answers, n.Offer()...))
		if p.Transit && p.NSG == pdu.StageFullFeature {
			e.params = n.Result()
			e.peerLimit = e.params.PeerMaxRecvDataSegmentLength
			e.digests = pdu.Digests{Header: e.params.HeaderDigest, Data: e.params.DataDigest}
			e.reader.SetDigests(e.digests)
			return true
		}
	}
}

// baseWants is the catalogue's BASE login, with single keys replaced.
func baseWants(limits []string) []text.Want {
	wants := []text.Want{
		{Key: text.KeyTargetPortalGroupTag, Offer: "1"},
		{Key: text.KeyAuthMethod, Limit: "None"},
		{Key: text.KeyHeaderDigest, Limit: "None"},
		{Key: text.KeyDataDigest, Limit: "None"},
		{Key: text.KeyMaxRecvDataSegmentLength, Offer: "65536"},
		{Key: text.KeyMaxConnections, Limit: "1"},
		{Key: text.KeyInitialR2T, Limit: "Yes"},
		{Key: text.KeyImmediateData, Limit: "Yes"},
		{Key: text.KeyMaxBurstLength, Limit: "262144"},
		{Key: text.KeyFirstBurstLength, Limit: "65536"},
		{Key: text.KeyDefaultTime2Wait, Limit: "0"},
		{Key: text.KeyDefaultTime2Retain, Limit: "0"},
		{Key: text.KeyMaxOutstandingR2T, Limit: "1"},
		{Key: text.KeyErrorRecoveryLevel, Limit: "0"},
	}
	for _, l := range limits {
		key, value, _ := strings.Cut(l, "=")
		i := slices.IndexFunc(wants, func(w text.Want) bool { return w.Key == key })
		if i < 0 {
			wants = append(wants, text.Want{Key: key, Limit: value})
			continue
		}
		if key == text.KeyMaxRecvDataSegmentLength || key == text.KeyTargetPortalGroupTag {
			wants[i].Offer = value
		} else {
			wants[i].Limit = value
		}
	}
	return wants
}

// redirect answers the next Login Request with a redirect to these addresses, and waits for the initiator to go.
func (e *fakeEnd) redirect(status iscsi.Status, addresses ...string) {
	if p := e.readLogin(); p != nil {
		e.redirectAnswer(p, status, addresses...)
	}
	if p := e.read(); p != nil {
		e.complain("after a redirect the initiator sent %T", p)
	}
}

func (e *fakeEnd) redirectAnswer(p *pdu.LoginRequest, status iscsi.Status, addresses ...string) {
	var pairs text.Pairs
	for _, a := range addresses {
		pairs.Add(text.KeyTargetAddress, a)
	}
	r := &pdu.LoginResponse{CSG: p.CSG, ISID: p.ISID, ITT: p.ITT, Data: pairs.Append(nil)}
	r.SetStatus(uint16(status))
	e.write(r)
}

// good answers a command with status GOOD and no data.
func (e *fakeEnd) good(itt uint32) { e.write(&pdu.SCSIResponse{ITT: itt, SNACKTag: 0}) }

// config is the plainest login to portalA.
func config() LoginConfig {
	return LoginConfig{
		InitiatorName: testInitiator, TargetName: testTarget, ISID: iscsi.RandomISID(0x123456, 1),
		Portal: iscsi.Address{Host: "192.0.2.1"}, PingInterval: Never,
	}
}

// bubble runs f in a synctest bubble, with a network.
func bubble(t *testing.T, f func(t *testing.T, n *fakeNetwork)) {
	synctest.Test(t, func(t *testing.T) { f(t, newNetwork(t)) })
}

// mustLogin logs in and closes the session at the end of the bubble.
func mustLogin(t *testing.T, n *fakeNetwork, cfg LoginConfig) *Session {
	t.Helper()
	s, err := Login(t.Context(), n, cfg)
	if err != nil {
		t.Fatalf("login: %v", err)
	}
	t.Cleanup(func() {
		s.Close()
		<-s.Done()
	})
	return s
}

// readRequest is a READ(10) of n bytes at block lba.
func readRequest(lba, n int) *Request {
	cdb := []byte{0x28, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	binary.BigEndian.PutUint32(cdb[2:], uint32(lba))
	binary.BigEndian.PutUint16(cdb[7:], uint16(n/512))
	return &Request{CDB: cdb, Read: make([]byte, n)}
}

// writeRequest is a WRITE(10) of data at block lba.
func writeRequest(lba int, data []byte) *Request {
	cdb := []byte{0x2a, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	binary.BigEndian.PutUint32(cdb[2:], uint32(lba))
	binary.BigEndian.PutUint16(cdb[7:], uint16(len(data)/512))
	return &Request{CDB: cdb, Write: data}
}

// base makes pairs out of "Key=Value" texts.
func base(pairs ...string) text.Pairs {
	var list text.Pairs
	for _, p := range pairs {
		key, value, _ := strings.Cut(p, "=")
		list.Add(key, value)
	}
	return list
}

// textOf reads the text of a request; the fake has complained about it already if it is none.
func textOf(data []byte) text.Pairs {
	pairs, _ := text.Parse(data)
	return pairs
}

// dribble writes one byte at a time.
type dribble struct{ net.Conn }

func (d *dribble) Write(b []byte) (int, error) {
	for i := range b {
		if _, err := d.Conn.Write(b[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(b), nil
}
