package sessions

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/trace"
)

// command is for ops that are one SCSI command: they are submitted, and end when the requester is told.
type command interface {
	Op
	// session is the label of the session to use.
	session() string
	// request makes the n-th request under a label.
	request(label string, n int) (request, error)
}

// request is a command before it is submitted.
type request struct {
	lun    int
	cdb    []byte
	read   int                               // bytes expected
	data   []byte                            // to be written
	lba    uint64                            // of a Read or Write
	blocks int                               // of a Read or Write
	device bool                              // over whichever path
	check  func(r *initiator.Request) string // the outcome that a GOOD one really has; nil for GOOD
	tell   bool                              // what each block held that was read
}

// submit submits a command and records its beginning; the end is recorded from the completion itself, so that ends of one instant keep the order
// in which requesters were told.
func (x *execution) submit(c *call, op command) {
	x.submitWith(c, op, func(_ *initiator.Request, o outcome) outcome { return o })
}

// submitWith is submit with a say in the outcome. It is called once, when the request has ended, and must not wait.
func (x *execution) submitWith(c *call, op command, say func(r *initiator.Request, o outcome) outcome) {
	q, err := op.request(c.step.Label, c.n)
	if err != nil {
		x.recordBegin(c, trace.Event{})
		x.recordEnd(c, say(nil, x.impossible(err)))
		x.end(c)
		return
	}
	id := x.session(op.session())
	place := -1
	r := &initiator.Request{LUN: uint64(scsi.LUNOf(uint32(q.lun))), CDB: q.cdb, Write: q.data, Read: make([]byte, q.read)}
	if q.read == 0 {
		r.Read = nil
	}
	r.Done = func(r *initiator.Request) {
		o := completed(r)
		o.session = id
		if q.check != nil && o.name == Good {
			o.name = q.check(r)
		}
		if q.tell && o.name == Good {
			o.attrs = append(o.attrs, trace.A(attrContent, contentOf(r.Read[:min(r.Transferred, len(r.Read))])))
		}
		x.recordEnd(c, say(r, o))
		x.forget(c.step.Label, place)
		x.end(c)
	}
	e := trace.Event{Session: uint64(id), LUN: new(uint64(q.lun)), Attrs: []trace.Attr{trace.A("cdb", hex.EncodeToString(q.cdb))}}
	if q.blocks > 0 {
		e.Attrs = append(e.Attrs, trace.A(attrLBA, q.lba), trace.A(attrBlocks, q.blocks))
	}
	if q.data != nil {
		e.Attrs = append(e.Attrs, trace.A(attrHead, headOf(q.data)))
	}
	if q.device {
		e.Device = x.deviceOf(id, r.LUN)
	}
	x.recordBegin(c, e)
	place = x.remember(c.step.Label, submission{id, r})
	var deadline time.Time
	if c.step.Deadline > 0 {
		deadline = time.Now().Add(c.step.Deadline)
	}
	if err := x.send(id, q.device, e.Device, r, deadline); err != nil {
		o := ended(err)
		o.session = id
		x.recordEnd(c, say(r, o))
		x.end(c)
	}
}

// send hands a request to its session, or to the device that its unit is.
func (x *execution) send(id initiator.SessionID, device bool, name string, r *initiator.Request, deadline time.Time) error {
	switch {
	case !device:
		return x.manager.Submit(id, r, deadline)
	case name == "":
		return initiator.ErrNoDevice
	}
	return x.manager.SubmitDevice(name, r, deadline)
}

// deviceOf names the device that a session's unit is; "" when it is none.
func (x *execution) deviceOf(id initiator.SessionID, lun uint64) string {
	for _, d := range x.manager.Devices() {
		for _, p := range d.Paths {
			if p.Session == id && p.LUN == lun {
				return d.Name
			}
		}
	}
	return ""
}

// remember keeps a request so that it can be aborted, and tells its place under the label.
func (x *execution) remember(label string, r submission) int {
	x.mu.Lock()
	defer x.mu.Unlock()
	if label == "" {
		return -1
	}
	x.requests[label] = append(x.requests[label], r)
	return len(x.requests[label]) - 1
}

// forget lets go of a request that has ended, and of its data with it. Its place stays: it is no request that is under way.
func (x *execution) forget(label string, place int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if place >= 0 {
		x.requests[label][place].request = nil
	}
}

func (o Read) session() string             { return o.Session }
func (o Write) session() string            { return o.Session }
func (o Probe) session() string            { return o.Session }
func (o Inquiry) session() string          { return o.Session }
func (o ReportLUNs) session() string       { return o.Session }
func (o ReadCapacity) session() string     { return o.Session }
func (o TestUnitReady) session() string    { return o.Session }
func (o SynchronizeCache) session() string { return o.Session }
func (o RawCDB) session() string           { return o.Session }

func (o Read) request(string, int) (request, error) {
	blocks := max(o.Blocks, 1)
	return request{lun: o.LUN, cdb: scsi.Read(o.LBA, uint32(blocks)), read: blocks * blockSize, lba: o.LBA, blocks: blocks, device: o.Device, tell: o.Content}, nil
}

func (o Write) request(label string, n int) (request, error) {
	blocks := max(o.Blocks, 1)
	data := make([]byte, blocks*blockSize)
	for i := range blocks {
		stamp(data[i*blockSize:(i+1)*blockSize], label, n, o.LBA+uint64(i))
	}
	return request{lun: o.LUN, cdb: scsi.Write(o.LBA, uint32(blocks)), data: data, lba: o.LBA, blocks: blocks, device: o.Device}, nil
}

// A probe must bring the pattern: each block begins with its address.
func (o Probe) request(string, int) (request, error) {
	q, err := Read{LBA: 0, Blocks: probeBlocks}.request("", 0)
	q.check = func(r *initiator.Request) string {
		for i := range probeBlocks {
			if binary.BigEndian.Uint64(r.Read[i*blockSize:]) != uint64(i) || r.Transferred != len(r.Read) {
				return Miscompare
			}
		}
		return Good
	}
	return q, err
}

func (o Inquiry) request(string, int) (request, error) {
	length := o.Length
	if length == 0 {
		length = 255
	}
	if o.VPD == "" {
		return request{lun: o.LUN, cdb: scsi.Inquiry(uint16(length)), read: length}, nil
	}
	page, err := hex.DecodeString(o.VPD)
	if err != nil || len(page) != 1 {
		return request{}, fmt.Errorf("vital product data page %q: want two hexadecimal digits", o.VPD)
	}
	return request{lun: o.LUN, cdb: scsi.InquiryVPD(scsi.VPDPage(page[0]), uint16(length)), read: length}, nil
}

func (o ReportLUNs) request(string, int) (request, error) {
	length := o.Length
	if length == 0 {
		length = 4096
	}
	return request{cdb: scsi.ReportLUNs(scsi.ReportAddressed, uint32(length)), read: length}, nil
}

func (o ReadCapacity) request(string, int) (request, error) {
	return request{lun: o.LUN, cdb: scsi.ReadCapacity10(), read: scsi.Capacity10Length}, nil
}

func (o TestUnitReady) request(string, int) (request, error) {
	return request{lun: o.LUN, cdb: scsi.TestUnitReady()}, nil
}

func (o SynchronizeCache) request(string, int) (request, error) {
	return request{lun: o.LUN, cdb: scsi.SynchronizeCache10(0, 0)}, nil
}

func (o RawCDB) request(string, int) (request, error) {
	cdb, err := hex.DecodeString(o.CDB)
	if err != nil || len(cdb) == 0 || len(cdb) > 16 {
		return request{}, fmt.Errorf("CDB %q: want 1 to 16 bytes in hexadecimal", o.CDB)
	}
	q := request{lun: o.LUN, cdb: cdb, read: o.Read}
	if o.Write > 0 {
		q.data = make([]byte, o.Write)
	}
	return q, nil
}

// template is the command that Submit repeats; nil unless there is exactly one.
func (o Submit) template() command {
	switch {
	case o.Read != nil && o.Write == nil && o.TestUnitReady == nil:
		return *o.Read
	case o.Write != nil && o.Read == nil && o.TestUnitReady == nil:
		return *o.Write
	case o.TestUnitReady != nil && o.Read == nil && o.Write == nil:
		return *o.TestUnitReady
	}
	return nil
}

// nth is the command of request i, from 0.
func (o Submit) nth(i int) command {
	lun := func(own int) int {
		if len(o.LUNs) > 0 {
			return o.LUNs[i%len(o.LUNs)]
		}
		return own
	}
	switch t := o.template().(type) {
	case Read:
		t.LBA += uint64(i) * o.Step
		t.LUN = lun(t.LUN)
		return t
	case Write:
		t.LBA += uint64(i) * o.Step
		t.LUN = lun(t.LUN)
		return t
	case TestUnitReady:
		t.LUN = lun(t.LUN)
		return t
	}
	return nil
}

func (o Submit) takesTime() bool { return o.Every > 0 }

// compose submits the requests one by one.
func (o Submit) compose(c *call) []*call {
	d, s := c.driver, c.step
	var parts []*call
	start := d.x.log.Now()
	for i := range o.Count {
		if i > 0 && o.Every > 0 {
			d.sleepUntil(start + time.Duration(i)*o.Every)
		} else if i > 0 {
			d.breathe()
		}
		op := o.nth(i)
		one := d.part(Step{Label: s.Label, Deadline: o.Deadline, Do: op}, op)
		d.x.submit(one, op)
		parts = append(parts, one)
	}
	return parts
}
