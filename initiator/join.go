package initiator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

// ErrConnectionLimit says that a session has as many connections as its MaxConnections allows (RFC 7143, Section 13.2).
var ErrConnectionLimit = errors.New("no further connection allowed")

// joining is what a login needs to know of the session that it adds a connection to.
type joining struct {
	s *Session
	// cmdSN is the session's current CmdSN, which the login carries and does not use up.
	cmdSN uint32
	// expStatSN is that of the connection whose place the new one takes, 0 if there is none.
	expStatSN uint32
	// generation counts how often in a row the connection was reinstated.
	generation int
	// group holds the TargetPortalGroupTag of the session, if it has one.
	group text.Params
}

// wants keeps of a login's list what a further connection may say: who is speaking, how it authenticates, and the keys of a connection's
// own. All other keys are settled by the first login of the session (RFC 7143, Section 13).
func (*joining) wants(all []text.Want) []text.Want {
	return slices.DeleteFunc(all, func(w text.Want) bool {
		switch w.Key {
		case text.KeyInitiatorName, text.KeyTargetName, text.KeyAuthMethod,
			text.KeyHeaderDigest, text.KeyDataDigest, text.KeyMaxRecvDataSegmentLength:
			return false
		}
		return true
	})
}

// checkJoined holds the TSIH of the last response against that of the session (RFC 7143, Section 11.13.3).
func (x *loginExchange) checkJoined(p *pdu.LoginResponse) error {
	if x.cfg.joins != nil && p.TSIH != x.cfg.TSIH {
		return x.fault(fmt.Sprintf("TSIH 0x%04x", x.cfg.TSIH), fmt.Sprintf("0x%04x", p.TSIH), "RFC 7143, Section 11.13.3")
	}
	return nil
}

// checkGroup holds the portal group of a further connection against that of the session, which lives in one group (RFC 7143, Sections
// 4.4.1 and 13.9).
func (x *loginExchange) checkGroup() error {
	if x.cfg.joins == nil || x.dev.Keys.IgnoreTag {
		return nil
	}
	own, session := x.negotiation.Result(), x.cfg.joins.group
	if !own.HasTargetPortalGroupTag || !session.HasTargetPortalGroupTag || own.TargetPortalGroupTag == session.TargetPortalGroupTag {
		return nil
	}
	return x.fault(fmt.Sprintf("TargetPortalGroupTag %d, that of the session", session.TargetPortalGroupTag),
		fmt.Sprint(own.TargetPortalGroupTag), "RFC 7143, Section 13.9")
}

// AddConnection logs in a further connection of the session and returns its CID. The zero Address stands for the portal that the
// session's first connection has reached. What the login says of the session as a whole is settled already; digests and
// MaxRecvDataSegmentLength are negotiated anew, from the same offers.
//
// A failure leaves the session as it was: ErrConnectionLimit, ErrNotSupported for a discovery session, *LoginError, *RedirectError, the
// error that the session ended with.
func (s *Session) AddConnection(ctx context.Context, portal iscsi.Address) (cid uint16, err error) {
	cfg, err := s.beginJoin(portal)
	if err != nil {
		return 0, err
	}
	return cfg.CID, s.logInFurther(ctx, cfg)
}

// beginJoin numbers the login of a further connection, which logInFurther has to follow.
func (s *Session) beginJoin(portal iscsi.Address) (LoginConfig, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	cfg, err := s.nextLogin(portal)
	if err == nil {
		s.joining = append(s.joining, cfg.CID)
	}
	return cfg, err
}

// logInFurther does the login that beginJoin has begun.
func (s *Session) logInFurther(ctx context.Context, cfg LoginConfig) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.life, cancel)() // The end of the session ends the login too.
	a := &loginAttempt{cfg: cfg, dev: s.dev, dialer: s.dialer}
	_, err := a.run(ctx)
	s.mu.Lock()
	s.joining = slices.DeleteFunc(s.joining, func(other uint16) bool { return other == cfg.CID })
	s.mu.Unlock()
	if err != nil && s.dev.Recovery.AddFailureEndsSession {
		s.fail(err)
	}
	return err
}

// nextLogin prepares the login of a further connection. The mutex is held.
func (s *Session) nextLogin(portal iscsi.Address) (LoginConfig, error) {
	lead := s.lead()
	switch {
	case s.culprit != nil:
		return LoginConfig{}, s.fate()
	case s.phase != sessionOpen || lead == nil:
		return LoginConfig{}, fmt.Errorf("the session is between connections: %w", ErrTransportLost)
	case s.info.Type == DiscoverySession || s.info.TSIH == 0:
		return LoginConfig{}, fmt.Errorf("further connection of this session: %w", ErrNotSupported)
	case s.held() >= s.params.MaxConnections && !s.dev.Recovery.IgnoreMaxConnections:
		return LoginConfig{}, fmt.Errorf("%d connections, want at most %d (RFC 7143, Section 13.2): %w",
			s.held()+1, s.params.MaxConnections, ErrConnectionLimit)
	}
	if portal.IsZero() {
		portal = lead.at.current
	}
	return s.joinConfig(portal, s.freeCID(), 0), nil
}

// held counts the connections that the target may count: those in use, those that are being logged in, and those that are being recovered.
// The mutex is held.
func (s *Session) held() int { return len(s.conns) + len(s.joining) + len(s.failed) }

// joinConfig is the login of a connection of this session. The mutex is held.
func (s *Session) joinConfig(portal iscsi.Address, cid uint16, expStatSN uint32) LoginConfig {
	cfg := s.cfg
	cfg.Portal, cfg.TSIH, cfg.CID = portal, s.info.TSIH, cid
	cfg.joins = &joining{s: s, cmdSN: s.window.next, expStatSN: expStatSN, group: s.params}
	if s.dev.Recovery.JoinWithZeroTSIH {
		cfg.TSIH = 0
	}
	if s.dev.Recovery.JoinCmdSNRestarts {
		cfg.joins.cmdSN = firstCmdSN
	}
	return cfg
}

// freeCID returns a CID that no connection has. The mutex is held.
func (s *Session) freeCID() uint16 {
	taken := func(cid uint16) bool {
		has := func(c *connection) bool { return c.cid == cid }
		return slices.ContainsFunc(s.conns, has) || slices.ContainsFunc(s.failed, has) || slices.Contains(s.joining, cid)
	}
	cid := s.lastCID + 1
	if s.dev.Recovery.ReuseLiveCID {
		return s.lead().cid
	}
	for taken(cid) {
		cid++
	}
	s.lastCID = cid
	return cid
}

// join takes a connection in whose login has just ended well. If the session ended meanwhile, it is refused.
func (s *Session) join(nc net.Conn, reader *pdu.Reader, info *SessionInfo, x *loginExchange) (*connection, error) {
	c := s.newConnection(nc, reader, info.CID, info.place(), x.expStatSN)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.culprit != nil {
		return nil, &LoginError{Stage: StageOperational, Err: s.fate()}
	}
	c.generation = x.cfg.joins.generation
	s.window.update(x.expCmdSN, x.maxCmdSN)
	s.conns = append(s.conns, c)
	c.run()
	s.pump()
	return c, nil
}
