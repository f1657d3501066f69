package simtarget

import (
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/iscsispec/iscsispec/faults"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/trace"
)

// bench is an array in a bubble, on an in-memory network, with peers that are made of hand-written PDUs.
type bench struct {
	*testing.T
	array   *Array
	network *faults.Network
	host    *faults.Host
	log     *trace.Log
}

// inBubble runs f in a bubble, with an array of a shipped profile that change may change, and with deviations.
func inBubble(t *testing.T, profile string, change func(*Profile), dev *Deviations, f func(*bench)) {
	t.Helper()
	p, err := Builtin(profile)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(p)
	}
	synctest.Test(t, func(t *testing.T) {
		log := trace.NewLog()
		n := faults.NewNetwork(1, log, faults.Options{})
		a, err := New(p, Options{Log: log, Deviations: dev})
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Start(n.Host("target", "10.0.0.100").Listen); err != nil {
			t.Fatal(err)
		}
		b := &bench{T: t, array: a, network: n, host: n.Host("initiator", "10.1.0.1"), log: log}
		defer func() {
			a.Close()
			n.Close()
		}()
		f(b)
	})
}

// settled gives the array when all that can happen at this instant has: what a peer has read does not tell how far the array is behind it.
func (b *bench) settled() *Array {
	synctest.Wait()
	return b.array
}

// initiatorName is the peers' name.
const initiatorName = "iqn.2026-01.io.iscsispec:tester"

// peer is the initiator's end of one connection.
type peer struct {
	*bench
	conn   net.Conn
	reader *pdu.Reader
	digest pdu.Digests

	isid     iscsi.ISID
	tsih     uint16
	cid      uint16
	cmdSN    uint32
	expStat  uint32
	itt      uint32
	name     string
	target   string
	answers  text.Pairs // of the login
	lastResp *pdu.LoginResponse
}

// dial connects to a portal by name.
func (b *bench) dial(portal string) *peer {
	b.Helper()
	conn, err := b.host.DialContext(b.Context(), "tcp", b.array.Address(portal))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close() })
	return &peer{
		bench: b, conn: conn, reader: pdu.NewReader(conn, pdu.Limits{}), isid: iscsi.RandomISID(1, 1), cid: 1, cmdSN: 100, itt: 1,
		name: initiatorName, target: b.array.targets[0].Name,
	}
}

func (p *peer) send(q pdu.PDU) {
	p.Helper()
	if _, err := p.conn.Write(pdu.Encode(nil, q, p.digest)); err != nil {
		p.Fatalf("send %s: %v", q.Opcode(), err)
	}
}

// read waits for the next PDU. It returns nil when the target has closed the connection.
func (p *peer) read() pdu.PDU {
	p.Helper()
	_ = p.conn.SetReadDeadline(time.Now().Add(time.Minute))
	f, err := p.reader.Read()
	if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || err != nil && isReset(err) {
		return nil
	}
	if err != nil {
		p.Fatalf("read: %v", err)
	}
	q, err := f.Decode()
	if err != nil {
		p.Fatal(err)
	}
	return q
}

func isReset(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && !op.Timeout()
}

// silent reports whether nothing comes for d.
func (p *peer) silent(d time.Duration) bool {
	p.Helper()
	_ = p.conn.SetReadDeadline(time.Now().Add(d))
	f, err := p.reader.Read()
	var ne net.Error
	if errors.As(err, &ne) && ne.Timeout() {
		return true
	}
	p.Logf("not silent: %v %v", f, err)
	return false
}

// closed reports whether the target has ended the connection and sends nothing before.
func (p *peer) closed() bool {
	p.Helper()
	q := p.read()
	if q != nil {
		p.Logf("not closed: %s", pdu.FrameOf(q))
	}
	return q == nil
}

// get waits for a PDU of type P.
func get[P pdu.PDU](p *peer) P {
	p.Helper()
	q := p.read()
	want, right := q.(P)
	if !right {
		got := "the end of the connection"
		if q != nil {
			got = pdu.FrameOf(q).String()
		}
		p.Fatalf("got %s, want %s", got, want.Opcode())
	}
	return want
}

// ask sends one Login Request and returns the response.
func (p *peer) ask(csg, nsg pdu.Stage, transit bool, pairs text.Pairs) *pdu.LoginResponse {
	p.Helper()
	p.send(p.request(csg, nsg, transit, pairs))
	r := get[*pdu.LoginResponse](p)
	p.lastResp = r
	if r.StatusClass == 0 {
		p.expStat = r.StatSN + 1
	}
	answers, err := text.Parse(r.Data)
	if err != nil {
		p.Fatal(err)
	}
	p.answers = append(p.answers, answers...)
	return r
}

func (p *peer) request(csg, nsg pdu.Stage, transit bool, pairs text.Pairs) *pdu.LoginRequest {
	return &pdu.LoginRequest{
		Transit: transit, CSG: csg, NSG: nsg, ISID: p.isid, TSIH: p.tsih, CID: p.cid, ITT: p.itt, CmdSN: p.cmdSN, ExpStatSN: p.expStat,
		Data: pairs.Append(nil),
	}
}

// names are the keys of a first request.
func (p *peer) names() text.Pairs {
	return text.Pairs{{Key: text.KeyInitiatorName, Value: p.name}, {Key: text.KeyTargetName, Value: p.target},
		{Key: text.KeySessionType, Value: "Normal"}}
}

// tryLogin logs in with extra keys straight in the operational stage, and returns the last response.
func (p *peer) tryLogin(extra ...text.Pair) *pdu.LoginResponse {
	p.Helper()
	pairs := append(p.names(), extra...)
	for range 8 {
		r := p.ask(pdu.StageOperational, pdu.StageFullFeature, true, pairs)
		if r.StatusClass != 0 || r.Transit {
			p.enter(r)
			return r
		}
		pairs = nil
	}
	p.Fatal("no end of the login within 8 exchanges")
	return nil
}

// enter takes over what the final response granted.
func (p *peer) enter(r *pdu.LoginResponse) {
	p.tsih = r.TSIH
	header, _ := p.answers.Get(text.KeyHeaderDigest)
	data, _ := p.answers.Get(text.KeyDataDigest)
	p.digest = pdu.Digests{Header: header == "CRC32C", Data: data == "CRC32C"}
	p.reader.SetDigests(p.digest)
}

// login is tryLogin that must succeed.
func (p *peer) login(extra ...text.Pair) *peer {
	p.Helper()
	if r := p.tryLogin(extra...); r.Status() != 0 {
		p.Fatalf("login refused with 0x%04x", r.Status())
	}
	return p
}

// discover logs in to a Discovery session.
func (p *peer) discover(extra ...text.Pair) *peer {
	p.Helper()
	pairs := append(text.Pairs{{Key: text.KeyInitiatorName, Value: p.name}, {Key: text.KeySessionType, Value: "Discovery"}}, extra...)
	r := p.ask(pdu.StageOperational, pdu.StageFullFeature, true, pairs)
	if r.Status() != 0 || !r.Transit {
		p.Fatalf("Discovery login: status 0x%04x, T=%v", r.Status(), r.Transit)
	}
	p.enter(r)
	return p
}

// command makes a SCSI Command with the next tag and CmdSN.
func (p *peer) command(cdb []byte) *pdu.SCSICommand {
	p.itt++
	c := &pdu.SCSICommand{Final: true, Attr: pdu.AttrSimple, ITT: p.itt, CmdSN: p.cmdSN, ExpStatSN: p.expStat}
	copy(c.CDB[:], cdb)
	p.cmdSN++
	return c
}

func (p *peer) reads(lba uint32, blocks uint16) *pdu.SCSICommand {
	c := p.command(scsi.Read10(lba, blocks))
	c.Read, c.ExpectedDataTransferLength = true, uint32(blocks)*512
	return c
}

func (p *peer) writes(lba uint32, blocks uint16) *pdu.SCSICommand {
	c := p.command(scsi.Write10(lba, blocks))
	c.Write, c.ExpectedDataTransferLength = true, uint32(blocks)*512
	return c
}

// status waits for a SCSI Response, whose StatSN must be the next one.
func (p *peer) status() *pdu.SCSIResponse {
	p.Helper()
	r := get[*pdu.SCSIResponse](p)
	p.counts(r.StatSN)
	return r
}

func (p *peer) counts(statSN uint32) {
	p.Helper()
	if statSN != p.expStat {
		p.Errorf("StatSN is 0x%x, want 0x%x", statSN, p.expStat)
	}
	p.expStat = statSN + 1
}

// works probes the session with TEST UNIT READY.
func (p *peer) works() {
	p.Helper()
	p.send(p.command(scsi.TestUnitReady()))
	if r := p.status(); r.Status != 0 {
		p.Errorf("TEST UNIT READY ends with status 0x%02x", r.Status)
	}
}

// apply carries out an action that must be lawful.
func (b *bench) apply(actions ...Action) {
	b.Helper()
	if err := b.array.Apply(actions...); err != nil {
		b.Fatal(err)
	}
}
