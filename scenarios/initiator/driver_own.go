package initiator

import (
	"context"
	"sync"
	"time"

	ini "github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
)

// InitiatorName is the own initiator's.
const InitiatorName = "iqn.2026-01.io.iscsispec:initiator"

// Settings are what the own initiator is told to be.
type Settings struct{ ini.ManagerConfig }

// Offer sets a key of what data sessions offer, in its place where the default offers have it, else behind them.
func (s *Settings) Offer(key, value string) {
	if s.Defaults.Offers == nil {
		s.Defaults.Offers = ini.DefaultOffers(ini.NormalSession)
	}
	for i := range s.Defaults.Offers {
		if s.Defaults.Offers[i].Key == key {
			s.Defaults.Offers[i].Value = value
			return
		}
	}
	s.Defaults.Offers = append(s.Defaults.Offers, ini.Offer{Key: key, Value: value})
}

// Digests makes it offer CRC32C before None for headers and data.
func (s *Settings) Digests() {
	s.Defaults.HeaderDigest, s.Defaults.DataDigest = []string{"CRC32C", "None"}, []string{"CRC32C", "None"}
}

// CHAP gives it the credentials of WithCHAP; mutual makes it ask for the target's proof.
func (s *Settings) CHAP(mutual bool) {
	s.Defaults.CHAP = &ini.CHAP{Name: InitiatorAccount.Name, Secret: InitiatorAccount.Secret}
	if mutual {
		s.Defaults.CHAP.TargetName, s.Defaults.CHAP.TargetSecret = TargetAccount.Name, TargetAccount.Secret
	}
}

// own drives the project's initiator.
type own struct {
	t       *T
	manager *ini.Manager

	mu     sync.Mutex
	latest ini.SessionID
}

// Has leaves the answer to the initiator.
func (o *own) Has(Op) bool { return true }

// Close ends the initiator.
func (o *own) Close() { o.manager.Close() }

func (o *own) session() ini.SessionID {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.latest
}

// opened is the result of an operation that opens a session.
func (o *own) opened(id ini.SessionID, err error) Result {
	if err == nil {
		o.mu.Lock()
		o.latest = id
		o.mu.Unlock()
	}
	return Result{Session: id, Err: err}
}

// Do does an operation.
func (o *own) Do(ctx context.Context, op Op, p *Pending) Result {
	if r, isCommand, err := o.request(op); isCommand {
		if err != nil {
			return Result{Err: err}
		}
		return o.command(ctx, p, r)
	}
	id := o.session()
	switch op := op.(type) {
	case Login:
		return o.login(ctx, op)
	case Logout:
		return Result{Session: id, Err: o.manager.Logout(ctx, id)}
	case RemoveSession:
		return Result{Session: id, Err: o.manager.RemoveSession(ctx, id)}
	case AddSession:
		return o.opened(o.manager.AddSession(ctx, ini.AddSpec{Clone: id}))
	case Discover:
		targets, err := o.manager.Discover(ctx, id)
		return Result{Session: id, Targets: targets, Err: err}
	case LoginAll:
		_, err := o.manager.LoginAll(ctx, o.portal("A"))
		return Result{Err: err}
	case ListSessions:
		return Result{Sessions: o.manager.Sessions()}
	case ListDevices:
		return Result{Devices: o.manager.Devices()}
	case AddConnection:
		var portal iscsi.Address
		if op.Portal != "" {
			portal = o.portal(op.Portal)
		}
		_, err := o.manager.AddConnection(ctx, id, portal)
		return Result{Session: id, Err: err}
	case SetConfig:
		return Result{Err: o.manager.Set(op.Change)}
	case Stop:
		return Result{Err: o.manager.Stop(ctx)}
	case Restart:
		_, err := o.manager.Restart(ctx, 0)
		return Result{Err: err}
	case Ping:
		data, err := o.manager.Ping(ctx, id, op.Data)
		return Result{Session: id, Data: data, Err: err}
	case SendText:
		pairs, err := o.manager.Text(ctx, id, op.Pairs)
		return Result{Session: id, Pairs: pairs, Err: err}
	case AbortTask:
		return Result{Session: id, Err: o.manager.Abort(ctx, id, op.Of.submitted())}
	case LUNReset:
		return Result{Session: id, Err: o.manager.ResetLUN(ctx, id, uint64(scsi.LUNOf(op.LUN)))}
	case TargetReset:
		return Result{Session: id, Err: o.manager.ResetTarget(ctx, id)}
	}
	return o.manage(ctx, op)
}

// manage does the task management that has no operation of its own.
func (o *own) manage(ctx context.Context, op Op) Result {
	tm, is := op.(TaskManagement)
	if !is {
		return Result{Err: ErrNoOp}
	}
	id := o.session()
	request := ini.TaskManagement{Function: tm.Function, LUN: uint64(scsi.LUNOf(tm.LUN))}
	if tm.Of != nil {
		request.Task = tm.Of.submitted()
	}
	answer, err := o.manager.ManageTasks(ctx, id, request)
	if err == nil && answer.Response != pdu.TaskResponseComplete && answer.Response != pdu.TaskResponseSucceeded {
		err = &ini.TaskManagementError{Response: answer.Response}
	}
	return Result{Session: id, Err: err}
}

func (o *own) portal(letter string) iscsi.Address {
	address, err := o.t.address(letter)
	if err != nil {
		panic(err) // letters are the check's
	}
	return address
}

func (o *own) login(ctx context.Context, op Login) Result {
	spec := ini.LoginSpec{Kind: op.Kind, Portal: o.portal(op.Portal), Settings: op.Settings}
	if op.Kind == 0 {
		spec.Kind = ini.Data
	}
	if !op.NoTarget {
		spec.Target = o.t.Base.Target
	}
	return o.opened(o.manager.Login(ctx, spec))
}

// request turns an operation into a command, where it is one.
func (o *own) request(op Op) (r *ini.Request, isCommand bool, err error) {
	lun := func(n uint32) uint64 { return uint64(scsi.LUNOf(n)) }
	switch op := op.(type) {
	case Read:
		n := max(op.Blocks, 1)
		return &ini.Request{LUN: lun(op.LUN), CDB: scsi.Read(op.LBA, uint32(n)), Read: make([]byte, n*BlockSize)}, true, nil
	case Write:
		data := op.bytes()
		return &ini.Request{LUN: lun(op.LUN), CDB: scsi.Write(op.LBA, uint32(len(data)/BlockSize)), Write: data}, true, nil
	case Inquiry:
		n := op.Length
		if n == 0 {
			n = 255
		}
		return &ini.Request{LUN: lun(op.LUN), CDB: scsi.Inquiry(uint16(n)), Read: make([]byte, n)}, true, nil
	case ReportLUNs:
		n := op.Length
		if n == 0 {
			n = 4096
		}
		return &ini.Request{CDB: scsi.ReportLUNs(scsi.ReportAddressed, uint32(n)), Read: make([]byte, n)}, true, nil
	case ReadCapacity:
		return &ini.Request{LUN: lun(op.LUN), CDB: scsi.ReadCapacity10(), Read: make([]byte, 8)}, true, nil
	case TestUnitReady:
		return &ini.Request{LUN: lun(op.LUN), CDB: scsi.TestUnitReady()}, true, nil
	case RawCDB:
		r := &ini.Request{LUN: lun(op.LUN), CDB: op.CDB, Write: op.Write, Attr: op.Attr}
		if op.Read > 0 {
			r.Read = make([]byte, op.Read)
		}
		return r, true, nil
	}
	return nil, false, nil
}

// bytes is what a Write writes: given, or the pattern of blocks far away.
func (w Write) bytes() []byte {
	if w.Data != nil {
		return w.Data
	}
	data := make([]byte, max(w.Blocks, 1)*BlockSize)
	Pattern.Fill(data, w.LBA+1<<32, BlockSize)
	return data
}

// command submits a command and waits for its end.
func (o *own) command(ctx context.Context, p *Pending, r *ini.Request) Result {
	id := o.session()
	ended := make(chan struct{}, 4)
	r.Done = func(*ini.Request) {
		o.t.mu.Lock()
		p.ends++
		o.t.mu.Unlock()
		select {
		case ended <- struct{}{}:
		default:
		}
	}
	o.t.mu.Lock()
	p.request = r
	o.t.mu.Unlock()
	if err := o.manager.Submit(id, r, time.Time{}); err != nil {
		return Result{Session: id, Err: err}
	}
	select {
	case <-ended:
	case <-ctx.Done():
		return Result{Session: id, Err: context.Cause(ctx)}
	}
	return Result{Session: id, Err: r.Err, Status: scsi.Status(r.Status), Sense: r.Sense, Data: r.Read, Request: r}
}

// submitted is the request of a command that is under way or over; nil, which is no request, before it was submitted.
func (p *Pending) submitted() *ini.Request {
	p.t.mu.Lock()
	defer p.t.mu.Unlock()
	return p.request
}

// Told is how often the requester of a command was told of its end.
func (p *Pending) Told() int {
	if !p.t.Own() && p.Ended() {
		return 1 // what the requester of an external initiator was told does not show
	}
	p.t.mu.Lock()
	defer p.t.mu.Unlock()
	return p.ends
}
