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
// LoginTimeout. A failure is a *LoginError, or a *RedirectError around one if a redirect led to it. The end of ctx ends the login with the context's cause.
func Login(ctx context.Context, d Dialer, cfg LoginConfig) (*Session, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, &LoginError{Portal: cfg.Portal, Stage: StageConfigure, Err: err}
	}
	a := &loginAttempt{cfg: cfg, dev: cfg.Deviations.orSound(), dialer: d}
	return a.run(ctx)
}

// loginAttempt is one call of Login: the logins at all the portals that redirects lead to.
type loginAttempt struct {
	cfg       LoginConfig
	dev       *Deviations
	dialer    Dialer
	redirects []Redirect
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
		s.fail(context.Cause(ctx))
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
	x := newLoginExchange(&a.cfg, a.dev, len(a.redirects))
	reader := pdu.NewReader(nc, pdu.Limits{MaxDataSegmentLength: loginTextLimit})
	var wire []byte
	for request := x.first(); request != nil; {
		wire = pdu.Encode(wire[:0], request, pdu.Digests{})
		if a.dev.Login.NotImmediate {
			wire[0] &^= 0x40
		}
		if _, err := nc.Write(wire); err != nil {
			return nil, x.failure(because(ctx, err))
		}
		response, err := x.read(reader)
		if err != nil {
			return nil, x.failure(because(ctx, err))
		}
		if request, err = x.next(response); err != nil {
			return nil, err
		}
	}
	if err := a.strayed(x); err != nil {
		return nil, err
	}
	info := a.describe(x, nc, portal)
	if p := a.cfg.Previous; p != nil && a.dev.Session.KeepParameters {
		info.Params = p.Params
	}
	s := newSession(a.cfg, a.dev, a.dialer, info, x.window)
	s.start(nc, reader, info.CID, info.place(), x.expStatSN)
	return s, nil
}

// read reads the answer to a Login Request: nothing else may come (RFC 7143, Section 6.3).
func (x *loginExchange) read(r *pdu.Reader) (*pdu.LoginResponse, error) {
	f, err := r.Read()
	if err != nil {
		return nil, err
	}
	if op := f.Opcode(); op != pdu.OpLoginResponse {
		return nil, &ProtocolError{Opcode: op, Field: "Opcode", Got: op.String(), Want: pdu.OpLoginResponse.String(), Clause: "RFC 7143, Section 6.3"}
	}
	p := new(pdu.LoginResponse)
	if err := p.DecodeBHS(&f.BHS); err != nil {
		return nil, err
	}
	p.Data = f.Data
	return p, nil
}

// describe puts the session's description together.
func (a *loginAttempt) describe(x *loginExchange, nc net.Conn, portal iscsi.Address) SessionInfo {
	params := x.negotiation.Result()
	return SessionInfo{
		InitiatorName: a.cfg.InitiatorName, TargetName: a.cfg.TargetName, TargetAlias: params.TargetAlias, Type: a.cfg.Type,
		ISID: a.cfg.ISID, TSIH: x.tsih, CID: a.cfg.CID, Configured: a.cfg.Portal, Current: portal, Redirects: a.redirects,
		Params: params, LocalAddress: nc.LocalAddr(), RemoteAddress: nc.RemoteAddr(),
	}
}
