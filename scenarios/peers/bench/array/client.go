package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
)

// flagRead is the R bit of a SCSI Command (RFC 7143, Section 11.3.1).
const flagRead = 0x40

// client is an initiator as lean as can be: one goroutine, one connection, requests that are all alike. All answers that one read brings are
// followed by one write of what they make possible.
type client struct {
	conn net.Conn
	url  iscsi.URL
	raw  bool // The other end is the raw exchange: it knows no login.
	// apart makes the system calls that libiscsi makes: a write for each command, a read for the header of each answer, and one for its data.
	apart bool

	cmdSN, maxCmdSN, expStatSN uint32
	// What the target takes, in bytes.
	segment, first int
	immediate      bool

	in   []byte
	have int     // Bytes of an unfinished header in in.
	skip int     // Bytes of data that are yet to come.
	last pdu.BHS // The header that they belong to.
	out  []byte
	data []byte

	w      workload
	random *rand.Rand
	next   uint32
	done   int
	over   bool
}

const (
	clientReadBytes = 256 << 10
	initiatorName   = "iqn.2026-11.io.github.iscsispec:bench"
	clientTimeout   = 30 * time.Second
)

// dialer gives connections; sources beyond 127.0.0.1 let one target port have more than one address has ports.
func dialer(source int) *net.Dialer {
	return &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(1+source))}, Timeout: clientTimeout}
}

// connect opens a connection, and logs in where the other end is a target. number makes the ISID.
func connect(url string, source, number int) (*client, error) {
	c := &client{raw: strings.HasPrefix(url, rawScheme), cmdSN: 1, maxCmdSN: 1 << 10, segment: 8192, first: 65536, immediate: true}
	address := strings.TrimPrefix(url, rawScheme)
	if !c.raw {
		u, err := iscsi.ParseURL(url)
		if err != nil {
			return nil, err
		}
		c.url, address = u, u.Portal.String()
	}
	conn, err := dialer(source).Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	c.conn = conn
	if c.raw {
		return c, nil
	}
	if err := c.login(number); err != nil {
		conn.Close()
		return nil, err
	}
	return c, nil
}

// login asks for everything in one request, straight in the operational stage.
func (c *client) login(number int) error {
	q := pdu.LoginRequest{Transit: true, CSG: pdu.StageOperational, NSG: pdu.StageFullFeature, ITT: 1, CID: 1, CmdSN: c.cmdSN}
	q.ISID = [6]byte{0x80, byte(number >> 32), byte(number >> 24), byte(number >> 16), byte(number >> 8), byte(number)}
	for _, pair := range []string{"InitiatorName=" + initiatorName, "TargetName=" + c.url.Target, "SessionType=Normal", "HeaderDigest=None",
		"DataDigest=None", "InitialR2T=No", "ImmediateData=Yes", "MaxRecvDataSegmentLength=262144", "MaxBurstLength=262144",
		"FirstBurstLength=65536", "DefaultTime2Retain=0", "MaxOutstandingR2T=1", "ErrorRecoveryLevel=0"} {
		q.Data = append(append(q.Data, pair...), 0)
	}
	_ = c.conn.SetDeadline(time.Now().Add(clientTimeout))
	c.segment = 8192
	for range 8 {
		if _, err := c.conn.Write(pdu.Encode(nil, &q, pdu.Digests{})); err != nil {
			return err
		}
		var p pdu.LoginResponse
		if err := c.expect(&p); err != nil {
			return err
		}
		if p.StatusClass != 0 {
			return fmt.Errorf("login refused with status 0x%02x%02x", p.StatusClass, p.StatusDetail)
		}
		c.settle(p.Data)
		c.maxCmdSN, c.expStatSN = p.MaxCmdSN, p.StatSN+1
		if p.Transit && p.NSG == pdu.StageFullFeature {
			return c.conn.SetDeadline(time.Time{})
		}
		q.Data, q.ExpStatSN, q.TSIH = nil, c.expStatSN, p.TSIH
	}
	return errors.New("the login has no end")
}

// settle takes from the target's keys what bounds writes.
func (c *client) settle(text []byte) {
	for _, pair := range strings.Split(string(text), "\x00") {
		key, value, _ := strings.Cut(pair, "=")
		number, _ := strconv.Atoi(value)
		switch key {
		case "MaxRecvDataSegmentLength":
			c.segment = number
		case "FirstBurstLength":
			c.first = number
		case "ImmediateData":
			c.immediate = value == "Yes"
		}
	}
}

// expect reads one PDU of a kind, with as many system calls as it has segments. It is not for while requests are under way.
func (c *client) expect(p pdu.PDU) error {
	var f pdu.Frame
	if _, err := readFull(c.conn, f.BHS[:]); err != nil {
		return err
	}
	if n := f.BHS.DataSegmentLength(); n > 0 {
		padded := make([]byte, n+-n&3)
		if _, err := readFull(c.conn, padded); err != nil {
			return err
		}
		f.Data = padded[:n]
	}
	if err := p.DecodeBHS(&f.BHS); err != nil {
		return err
	}
	p.SetSegments(nil, f.Data)
	return nil
}

// logout ends the session in order, and the connection.
func (c *client) logout() error {
	defer c.conn.Close()
	_ = c.conn.SetDeadline(time.Now().Add(clientTimeout))
	q := pdu.LogoutRequest{Immediate: true, Reason: pdu.LogoutCloseSession, ITT: 2, CID: 1, CmdSN: c.cmdSN, ExpStatSN: c.expStatSN}
	if _, err := c.conn.Write(pdu.Encode(nil, &q, pdu.Digests{})); err != nil {
		return err
	}
	var p pdu.LogoutResponse
	if err := c.expect(&p); err != nil {
		return err
	}
	if p.Response != pdu.LogoutSuccess {
		return fmt.Errorf("logout answered with %v", p.Response)
	}
	return nil
}

// clearAttention takes the unit attentions that targets raise after a login.
func (c *client) clearAttention() error {
	for range 3 {
		q := pdu.SCSICommand{Final: true, ITT: 3, LUN: uint64(scsi.LUNOf(uint32(c.url.LUN))), CmdSN: c.cmdSN, ExpStatSN: c.expStatSN}
		c.cmdSN++
		if _, err := c.conn.Write(pdu.Encode(nil, &q, pdu.Digests{})); err != nil {
			return err
		}
		var p pdu.SCSIResponse
		if err := c.expect(&p); err != nil {
			return err
		}
		c.maxCmdSN, c.expStatSN = p.MaxCmdSN, p.StatSN+1
	}
	return nil
}

// run keeps depth requests under way for a while and returns how many were done a second.
func (c *client) run(w workload, d time.Duration) (float64, error) {
	c.w, c.random = w, rand.New(rand.NewPCG(1, 2))
	c.in, c.data = make([]byte, clientReadBytes), make([]byte, w.blocks*512)
	c.immediate = c.immediate && !w.read
	_ = c.conn.SetDeadline(time.Now().Add(d + clientTimeout))
	start := time.Now()
	for tag := range w.depth {
		c.command(uint32(tag))
	}
	for left := w.depth; left > 0; {
		if _, err := c.conn.Write(c.out); err != nil {
			return 0, err
		}
		c.out = c.out[:0]
		for len(c.out) == 0 && left > 0 {
			before := c.done
			if err := c.take(); err != nil {
				return 0, err
			}
			if c.over {
				left -= c.done - before
			}
		}
		// What the last read brought was followed by new requests; from now on there are none.
		c.over = c.over || time.Since(start) >= d
	}
	return float64(c.done) / time.Since(start).Seconds(), nil
}

// take reads once and handles all that came.
func (c *client) take() error {
	end := len(c.in)
	switch {
	case c.apart && c.skip > 0:
		end = min(end, c.skip)
	case c.apart:
		end = pdu.BHSLength
	}
	n, err := c.conn.Read(c.in[c.have:end])
	if err != nil {
		return err
	}
	rest := c.in[:c.have+n]
	for len(rest) > 0 {
		if c.skip == 0 {
			if len(rest) < pdu.BHSLength {
				break
			}
			c.last, rest = pdu.BHS(rest), rest[pdu.BHSLength:]
			data := c.last.DataSegmentLength()
			c.skip = data + -data&3
		}
		drop := min(c.skip, len(rest))
		rest, c.skip = rest[drop:], c.skip-drop
		if c.skip > 0 {
			break
		}
		if err := c.handle(&c.last); err != nil {
			return err
		}
	}
	c.have = copy(c.in, rest)
	return nil
}

// handle takes a PDU that is there as a whole. Data are dropped.
func (c *client) handle(h *pdu.BHS) error {
	c.maxCmdSN = binary.BigEndian.Uint32(h[32:])
	switch h.Opcode() {
	case pdu.OpDataIn:
		if h[1]&1 == 0 {
			return nil
		}
	case pdu.OpSCSIResponse:
	case pdu.OpR2T:
		c.dataOut(h)
		return nil
	case pdu.OpNOPIn:
		if binary.BigEndian.Uint32(h[20:]) == pdu.ReservedTag {
			return nil
		}
		fallthrough
	default:
		return fmt.Errorf("%v in the middle of requests", h.Opcode())
	}
	if h[3] != 0 {
		return fmt.Errorf("status 0x%02x", h[3])
	}
	c.expStatSN = binary.BigEndian.Uint32(h[24:]) + 1
	c.done++
	if !c.over {
		c.command(h.ITT())
	}
	return nil
}

// command appends a SCSI Command, with the data that may go along. Depth is below every target's window.
func (c *client) command(tag uint32) {
	at := c.next
	if c.w.random {
		at = c.random.Uint32N(diskSize/512 - uint32(c.w.blocks))
	} else if c.next += uint32(c.w.blocks); c.next+uint32(c.w.blocks) > diskSize/512 {
		c.next = 0
	}
	n := len(c.out)
	c.out = append(c.out, make([]byte, pdu.BHSLength)...)
	h := (*pdu.BHS)(c.out[n:])
	h[0], h[1] = byte(pdu.OpSCSICommand), 0x81|flagRead
	cdb := scsi.Read10(at, uint16(c.w.blocks))
	if !c.w.read {
		h[1] = 0x81 | 0x20
		cdb = scsi.Write10(at, uint16(c.w.blocks))
	}
	h.SetLUN(uint64(scsi.LUNOf(uint32(c.url.LUN))))
	h.SetITT(tag)
	binary.BigEndian.PutUint32(h[20:], uint32(len(c.data)))
	binary.BigEndian.PutUint32(h[24:], c.cmdSN)
	binary.BigEndian.PutUint32(h[28:], c.expStatSN)
	copy(h[32:], cdb)
	c.cmdSN++
	if c.immediate {
		length := len(c.data)
		if !c.raw {
			length = min(length, c.first, c.segment)
		}
		h.SetDataSegmentLength(length)
		c.out = append(c.out, c.data[:length]...)
	}
}

// dataOut answers an R2T.
func (c *client) dataOut(r *pdu.BHS) {
	offset, length := int(binary.BigEndian.Uint32(r[40:])), int(binary.BigEndian.Uint32(r[44:]))
	for sn := uint32(0); length > 0; sn++ {
		size := min(length, c.segment)
		p := pdu.DataOut{Final: size == length, LUN: r.LUN(), ITT: r.ITT(), TTT: binary.BigEndian.Uint32(r[20:]), ExpStatSN: c.expStatSN,
			DataSN: sn, BufferOffset: uint32(offset), Data: c.data[offset : offset+size]}
		c.out = pdu.FrameOf(&p).Append(c.out, pdu.Digests{})
		offset, length = offset+size, length-size
	}
}
