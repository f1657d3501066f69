package initiator

import (
	"encoding/binary"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
	"testing/synctest"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
)

// fakeArray serves units at portals of a fakeNetwork, for tests of the Manager: it answers an enumeration from fakeUnits, reads
// and writes blocks, and can be told to hold commands, to refuse logins, and to vanish.
type fakeArray struct {
	n *fakeNetwork

	mu    sync.Mutex
	units *fakeUnits
	// limits are passed to fakeEnd.login; tag is the portal group tag by portal.
	limits []string
	tags   map[string]string
	tsih   uint16
	// script, when not nil, takes the next connection; it is used once.
	script []func(*fakeEnd)
	// hold says which commands get no answer.
	hold func(*pdu.SCSICommand) bool
	// mute leaves Logout Requests without an answer.
	mute bool
	// deaf answers nothing at all; oneTSIH grants tsih to all.
	deaf, oneTSIH bool
	// lenient and picksNone are fakeEnd's.
	lenient, picksNone bool
	live               []*fakeEnd
	// heard lists commands as "op lun lba", isids those of all logins, blocks what was written.
	heard  []string
	isids  []iscsi.ISID
	blocks map[string][]byte
	logins []time.Time
}

// newArray makes an array with the given LUNs, served at the given portals.
func newArray(n *fakeNetwork, luns []uint32, portals ...string) *fakeArray {
	a := &fakeArray{n: n, units: &fakeUnits{luns: luns, blocks: 1 << 17}, blocks: map[string][]byte{}, tags: map[string]string{}, tsih: 0x100}
	for i, portal := range portals {
		a.tags[portal] = fmt.Sprint(i + 1)
	}
	a.heal()
	return a
}

// heal serves all portals; refuse serves none; sever ends all connections.
func (a *fakeArray) heal() { a.service(true) }

func (a *fakeArray) refuse() { a.service(false) }

func (a *fakeArray) service(on bool) {
	a.n.mu.Lock()
	defer a.n.mu.Unlock()
	for portal := range a.tags {
		a.n.places[portal] = nil
		if on {
			a.n.places[portal] = func(e *fakeEnd) { a.serve(e, portal) }
		}
	}
}

func (a *fakeArray) sever() {
	a.mu.Lock()
	live := a.live
	a.live = nil
	a.mu.Unlock()
	for _, e := range live {
		e.Close()
	}
	synctest.Wait()
}

// severFirst and severLast end the oldest and the newest connection.
func (a *fakeArray) severFirst() { a.severAt(func(int) int { return 0 }) }

func (a *fakeArray) severLast() { a.severAt(func(n int) int { return n - 1 }) }

func (a *fakeArray) severAt(which func(n int) int) {
	a.mu.Lock()
	if len(a.live) == 0 {
		a.mu.Unlock()
		return // A deviating initiator may have left none.
	}
	i := which(len(a.live))
	e := a.live[i]
	a.live = slices.Delete(a.live, i, i+1)
	a.mu.Unlock()
	e.Close()
	synctest.Wait()
}

// serve is one connection.
func (a *fakeArray) serve(e *fakeEnd, portal string) {
	a.mu.Lock()
	if len(a.script) > 0 {
		script := a.script[0]
		a.script = a.script[1:]
		a.mu.Unlock()
		script(e)
		return
	}
	if !a.oneTSIH {
		a.tsih++
	}
	e.tsih = a.tsih
	limits := append(slices.Clone(a.limits), "TargetPortalGroupTag="+a.tags[portal])
	a.mu.Unlock()
	e.lenient, e.picksNone = a.lenient, a.picksNone
	if !e.login(limits...) {
		return
	}
	a.mu.Lock()
	a.heard = append(a.heard, fmt.Sprintf("login tsih %d %v", e.logins[0].TSIH, e.keys))
	a.live = append(a.live, e)
	a.isids = append(a.isids, e.logins[0].ISID)
	a.logins = append(a.logins, time.Now())
	a.mu.Unlock()
	a.commands(e)
}

// commands serves the full feature phase.
func (a *fakeArray) commands(e *fakeEnd) {
	writes := map[uint32]*pdu.SCSICommand{}
	for p := e.read(); p != nil; p = e.read() {
		a.mu.Lock()
		deaf := a.deaf
		a.mu.Unlock()
		if deaf {
			continue
		}
		switch p := p.(type) {
		case *pdu.SCSICommand:
			if a.command(e, p) {
				writes[p.ITT] = p
			}
		case *pdu.DataOut:
			if c := writes[p.ITT]; c != nil && p.Final {
				a.written(c, p.Data)
				e.good(p.ITT)
			}
		case *pdu.LogoutRequest:
			a.mu.Lock()
			mute := a.mute
			a.mu.Unlock()
			if !mute {
				e.write(&pdu.LogoutResponse{ITT: p.ITT})
			}
		case *pdu.NOPOut:
			if p.ITT != pdu.ReservedTag {
				e.write(&pdu.NOPIn{ITT: p.ITT, TTT: pdu.ReservedTag, Data: p.Data})
			}
		case *pdu.TaskManagementRequest:
			e.write(&pdu.TaskManagementResponse{ITT: p.ITT})
		case *pdu.TextRequest:
			e.write(&pdu.TextResponse{Final: true, ITT: p.ITT, TTT: pdu.ReservedTag, Data: a.targets()})
		}
	}
}

// targets is the answer to SendTargets.
func (a *fakeArray) targets() []byte {
	text := "TargetName=" + testTarget + "\x00"
	var portals []string
	for portal := range a.tags {
		portals = append(portals, portal)
	}
	slices.Sort(portals)
	for _, portal := range portals {
		text += "TargetAddress=" + portal + "," + a.tags[portal] + "\x00"
	}
	return []byte(text)
}

// command answers one command, unless it is held. It reports true if data are still to come.
func (a *fakeArray) command(e *fakeEnd, p *pdu.SCSICommand) bool {
	op := scsi.Opcode(p.CDB[0])
	a.mu.Lock()
	defer a.mu.Unlock()
	a.heard = append(a.heard, fmt.Sprintf("%v lun %v lba %d", op, scsi.LUN(p.LUN), binary.BigEndian.Uint32(p.CDB[2:])))
	if a.hold != nil && a.hold(p) {
		return false
	}
	switch op {
	case scsi.OpRead10:
		data := make([]byte, p.ExpectedDataTransferLength)
		copy(data, a.blocks[blockKey(p)])
		e.dataIn(p.ITT, data)
	case scsi.OpWrite10:
		a.blocks[blockKey(p)] = slices.Clone(p.Data)
		e.good(p.ITT)
	case scsi.OpTestUnitReady, scsi.OpSynchronizeCache10:
		e.good(p.ITT)
	default:
		a.answer(e, p, a.units.ask(question{lun: p.LUN, cdb: p.CDB[:], length: int(p.ExpectedDataTransferLength)}))
	}
	return false
}

// written stores what a write brought after its command.
func (a *fakeArray) written(p *pdu.SCSICommand, data []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.blocks[blockKey(p)] = slices.Clone(data)
}

// blockKey names the block that a command is about.
func blockKey(p *pdu.SCSICommand) string {
	return fmt.Sprintf("%v/%d", scsi.LUN(p.LUN), binary.BigEndian.Uint32(p.CDB[2:]))
}

// answer sends a reply.
func (a *fakeArray) answer(e *fakeEnd, p *pdu.SCSICommand, r reply) {
	if r.good() && len(r.data) > 0 {
		d := &pdu.DataIn{Final: true, StatusPresent: true, ITT: p.ITT, Data: r.data}
		if rest := int(p.ExpectedDataTransferLength) - len(r.data); rest > 0 {
			d.Underflow, d.ResidualCount = true, uint32(rest)
		}
		e.write(d)
		return
	}
	response := &pdu.SCSIResponse{ITT: p.ITT, Status: byte(r.status)}
	if r.status == scsi.StatusCheckCondition {
		sense := r.sense.Append(nil)
		response.Data = append(binary.BigEndian.AppendUint16(nil, uint16(len(sense))), sense...)
	}
	if p.ExpectedDataTransferLength > 0 {
		response.Underflow, response.ResidualCount = true, p.ExpectedDataTransferLength
	}
	e.write(response)
}

// forget empties what was heard; said returns it.
func (a *fakeArray) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.heard = nil
}

func (a *fakeArray) said() []string {
	synctest.Wait()
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.heard)
}

// change alters the array under its lock.
func (a *fakeArray) change(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f()
}

// refuseWith answers one login with a status.
func refuseWith(status iscsi.Status) func(*fakeEnd) {
	return func(e *fakeEnd) {
		if p := e.readLogin(); p != nil {
			r := &pdu.LoginResponse{CSG: p.CSG, ISID: p.ISID, ITT: p.ITT}
			r.SetStatus(uint16(status))
			e.write(r)
		}
		e.read()
	}
}

// dials returns where connections were opened since the last call.
func (n *fakeNetwork) dials() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	dialed := n.dialed
	n.dialed = nil
	return dialed
}

// deafen lets the array answer nothing on its connections.
func (a *fakeArray) deafen() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.deaf = true
}

// async sends an Async Message on every connection.
func (a *fakeArray) async(p *pdu.AsyncMessage) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, e := range a.live {
		copied := *p
		e.write(&copied)
	}
}

// orderly goes through a map in the order of its keys.
func orderly[V any](m map[string]V) iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		for _, key := range slices.Sorted(maps.Keys(m)) {
			if !yield(key, m[key]) {
				return
			}
		}
	}
}
