package initiator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// Login dials cfg.Portal, logs in, follows redirects, and returns the session in full feature phase.
//
// Redirects are followed within the call, at most 32 in a row, with at most 32 further addresses tried; at each portal the whole login is done anew, with all of
// LoginTimeout. It is one attempt unless LoginManners.Attempts asks for more. A failure is a *LoginError, or a *RedirectError around one if a redirect led to it. The end of ctx ends the login with the context's cause.
func Login(ctx context.Context, d Dialer, cfg LoginConfig) (*Session, error) {
	dev := cfg.Deviations.orSound()
	cfg = cfg.withDefaults().withFaults(dev)
	if err := cfg.check(dev); err != nil {
		return nil, &LoginError{Portal: cfg.Portal, Stage: StageConfigure, Err: err}
	}
	for n := 1; ; n++ {
		began := time.Now()
		if err := cfg.draw(); err != nil {
			return nil, &LoginError{Portal: cfg.Portal, Stage: StageConfigure, Err: err}
		}
		a := &loginAttempt{cfg: cfg, dev: dev, dialer: d}
		s, err := a.run(ctx)
		if err == nil || n >= cfg.attempts() || !worthAnother(err) || !pauseUntil(ctx, began.Add(cfg.Manners.orOwn().RetryInterval)) {
			return s, err
		}
	}
}

// pauseUntil waits for an instant, and reports whether it came before the end of ctx.
func pauseUntil(ctx context.Context, at time.Time) bool {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// loginAttempt is one call of Login: the logins at all the portals that redirects lead to.
type loginAttempt struct {
	cfg       LoginConfig
	dev       *Deviations
	dialer    Dialer
	redirects []Redirect
	// joined is the connection that the login of a further one has made.
	joined *connection
	// alternatives counts the portals tried because another one of the same redirect failed.
	alternatives int
}

// loginAt logs in at one portal. The error is *LoginError or *moved.
func (a *loginAttempt) loginAt(parent context.Context, portal iscsi.Address) (*Session, error) {
	ctx, cancel := parent, context.CancelFunc(func() {})
	if !a.dev.Login.NoDeadline {
		ctx, cancel = context.WithTimeoutCause(parent, a.cfg.LoginTimeout, errLoginTimeout)
	}
	defer cancel()
	nc, err := a.dialer.DialContext(ctx, "tcp", a.hostPort(portal))
	if err != nil {
		return nil, &LoginError{Portal: portal, Stage: StageDial, Err: because(ctx, err)}
	}
	// A context's end makes pending reads and writes fail at once.
	release := context.AfterFunc(ctx, func() { _ = nc.SetDeadline(time.Unix(1, 0)) })
	s, err := a.exchange(ctx, nc, portal)
	if !release() && err == nil {
		a.joined.fail(context.Cause(ctx))
		err = &LoginError{Stage: StageOperational, Err: context.Cause(ctx)}
	}
	if err == nil {
		return s, nil
	}
	_ = nc.Close() // The login has failed already; how the closing goes says nothing more.
	var failed *LoginError
	if errors.As(err, &failed) {
		failed.Portal = portal
	}
	return nil, err
}

var errLoginTimeout = fmt.Errorf("login %w", ErrTimeout)

// because returns the end of ctx as the cause of err, if it was that.
func because(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// exchange runs the login on an open connection.
func (a *loginAttempt) exchange(ctx context.Context, nc net.Conn, portal iscsi.Address) (*Session, error) {
	reader := a.newReader(nc)
	x := newLoginExchange(&a.cfg, a.dev, len(a.redirects))
	err := a.converse(ctx, nc, reader, x)
	x.end()
	if errors.Is(err, errRestart) {
		x = newLoginExchange(&a.cfg, a.dev, len(a.redirects))
		err = a.converse(ctx, nc, reader, x)
		x.end()
	}
	if err != nil {
		return nil, err
	}
	if err := a.strayed(x); err != nil {
		return nil, err
	}
	info := a.describe(x, nc, portal)
	if j := a.cfg.joins; j != nil {
		a.joined, err = j.s.join(nc, reader, &info, x)
		return j.s, err
	}
	if p := a.cfg.Previous; p != nil && a.dev.Session.KeepParameters {
		info.Params = p.Params
	}
	s := newSession(a.cfg, a.dev, a.dialer, info, x.window)
	a.joined = s.newConnection(nc, reader, info.CID, info.place(), x.expStatSN)
	s.conns = append(s.conns, a.joined)
	a.joined.run()
	return s, nil
}

// newReader reads Login Responses of the length that this side takes before it has said anything else.
func (a *loginAttempt) newReader(nc net.Conn) *pdu.Reader {
	if a.dev.Login.OneReceive {
		nc = &oneReceive{nc}
	}
	limits := pdu.Limits{MaxDataSegmentLength: loginTextLimit}
	if a.dev.Login.CutLongResponse {
		limits.MaxDataSegmentLength = 1 << 24
	}
	return pdu.NewReader(nc, limits)
}

// converse exchanges requests and responses until x has what it wants.
func (a *loginAttempt) converse(ctx context.Context, nc net.Conn, reader *pdu.Reader, x *loginExchange) error {
	var wire []byte
	for request := x.first(); request != nil; {
		wire = pdu.Encode(wire[:0], request, a.loginDigests())
		if a.dev.Login.NotImmediate {
			wire[0] &^= 0x40
		}
		if _, err := nc.Write(wire); err != nil {
			return x.failure(because(ctx, err))
		}
		stop := a.pester(nc, wire)
		response, err := a.read(nc, reader)
		stop()
		if err != nil {
			return x.failure(because(ctx, err))
		}
		if request, err = x.next(response); err != nil {
			return err
		}
	}
	return nil
}

// errRestart makes a deviating initiator begin anew on the same connection.
var errRestart = errors.New("login begins anew")

// read reads the answer to a Login Request: nothing else may come (RFC 7143, Section 6.3).
func (a *loginAttempt) read(nc net.Conn, r *pdu.Reader) (*pdu.LoginResponse, error) {
	f, err := r.Read()
	for err == nil && f.Opcode() != pdu.OpLoginResponse && a.serve(nc, f) {
		f, err = r.Read()
	}
	switch {
	case err != nil:
		return nil, err
	case a.restarts(f):
		return nil, errRestart
	case f.Opcode() != pdu.OpLoginResponse:
		return nil, &ProtocolError{
			Opcode: f.Opcode(), Field: "Opcode", Got: f.Opcode().String(), Want: pdu.OpLoginResponse.String(), Clause: "RFC 7143, Section 6.3",
		}
	}
	p := new(pdu.LoginResponse)
	if err := p.DecodeBHS(&f.BHS); err != nil {
		return nil, err
	}
	p.Data = f.Data
	if a.dev.Login.CutLongResponse {
		p.Data = cutText(p.Data)
	}
	return p, nil
}

// describe puts the session's description together.
func (a *loginAttempt) describe(x *loginExchange, nc net.Conn, portal iscsi.Address) SessionInfo {
	params := x.negotiation.Result()
	x.misjudge(&params)
	x.consent(&params)
	return SessionInfo{
		InitiatorName: a.cfg.InitiatorName, TargetName: a.cfg.TargetName, TargetAlias: params.TargetAlias, Type: a.cfg.Type,
		ISID: a.cfg.ISID, TSIH: x.tsih, CID: a.cfg.CID, Configured: a.cfg.Portal, Current: portal, Redirects: a.redirects,
		Params: params, LocalAddress: nc.LocalAddr(), RemoteAddress: nc.RemoteAddr(),
	}
}
