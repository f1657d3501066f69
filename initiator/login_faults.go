package initiator

import (
	"bytes"
	"io"
	"net"
	"slices"
	"syscall"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/chap"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

// What follows is what deviating initiators do at the points of the login where a sound one does nothing.

// spoil changes the fields of a request.
func (x *loginExchange) spoil(p *pdu.LoginRequest) {
	dev := &x.dev.Login
	if dev.ReuseTSIH && x.cfg.Previous != nil {
		p.TSIH = x.cfg.Previous.TSIH
	}
	if dev.CountCID {
		p.CID += uint16(x.rounds)
	}
	if dev.ConstantExpStatSN {
		p.ExpStatSN = 0
	}
	if dev.TypelessISID {
		p.ISID[0] |= 0xc0
	}
	if dev.TransitToSameStage && p.Transit {
		p.NSG = p.CSG
	}
	if dev.RestartSecurity && x.delayed {
		p.CSG = pdu.StageSecurity
	}
	if x.dev.planted.ContinuationUncounted && x.answers.Pending() > 0 {
		p.ExpStatSN--
	}
	x.delayed = p.Transit && x.stage == pdu.StageOperational
}

// early returns what comes too early in the first request.
func (x *loginExchange) early() text.Pairs {
	var pairs text.Pairs
	if x.dev.Login.AllKeysAtOnce && x.stage == pdu.StageSecurity {
		x.negotiation.SetStage(text.LoginOperationalNegotiation)
		pairs = x.negotiation.Offer()
		x.negotiation.SetStage(text.SecurityNegotiation)
	}
	if x.dev.Auth.EarlyAlgorithm && x.cfg.CHAP != nil {
		pairs.Add(chap.KeyAlgorithm, "5")
	}
	return pairs
}

// roundLimit bounds the Login Requests of one login.
func (x *loginExchange) roundLimit() int {
	switch dev := &x.dev.Login; {
	case dev.NoRoundLimit:
		return 1 << 30
	case dev.RoundLimit > 0:
		return dev.RoundLimit
	}
	return loginRoundLimit
}

// shortcut reports whether a transition beyond the one that was asked for is taken.
func (x *loginExchange) shortcut(nsg pdu.Stage) bool {
	return x.dev.planted.ShortcutTaken && x.stage == pdu.StageSecurity && nsg == pdu.StageFullFeature
}

// consent puts offers in force that nobody has answered.
func (x *loginExchange) consent(params *text.Params) {
	if !x.dev.planted.SilenceIsConsent {
		return
	}
	for _, o := range x.cfg.operational() {
		if _, answered := x.negotiation.Answer(o.Key); !answered {
			params.Set(o.Key, o.Value, true)
		}
	}
}

// goesOn reports whether the login goes on although the target has ended it.
func (x *loginExchange) goesOn(p *pdu.LoginResponse) bool {
	dev := &x.dev.Login
	return dev.OneMoreExchange && x.rounds < loginRoundLimit || dev.ZeroTSIHLoops && p.TSIH == 0
}

// overlooks reports whether the status is not looked at.
func (x *loginExchange) overlooks(p *pdu.LoginResponse, status iscsi.Status) bool {
	dev := &x.dev.Login
	unknown := status.Class() == iscsi.ClassRedirection && status != iscsi.StatusMovedTemporarily && status != iscsi.StatusMovedPermanently
	return x.dev.Redirect.OnlyFirstResponse && x.rounds > 1 || x.dev.Redirect.UnknownDetailSucceeds && unknown ||
		dev.IgnoreStatus && p.Transit || dev.StatusInFinal && (!p.Transit || p.NSG != pdu.StageFullFeature) ||
		dev.ReservedClassSucceeds && status.Class() > iscsi.ClassTargetError
}

// refusal is the failure of a login that the target refused.
func (x *loginExchange) refusal(status iscsi.Status) error {
	dev := &x.dev.Login
	refused := status == iscsi.StatusAuthenticationFailure
	switch {
	case dev.RemovedIsRedirect && status == iscsi.StatusTargetRemoved:
		return &moved{status: status, addresses: []string{x.cfg.Portal.String()}}
	case dev.AuthFailureIsTimeout && refused:
		return x.failure(errLoginTimeout)
	case dev.RefusalsAlike && status.Class() == iscsi.ClassInitiatorError:
		return x.failure(syscall.ECONNREFUSED)
	case x.dev.Auth.FailureIsProtocolError && refused:
		return x.fault("a response", "an end of the login", "RFC 7143, Section 11.13")
	}
	return &LoginError{Stage: x.stageName(), Status: status}
}

// numberIgnored reports whether a StatSN is not taken in.
func (x *loginExchange) numberIgnored(statSN uint32) bool {
	dev := &x.dev.Login
	return dev.ZeroStatSNUnset && statSN == 0 || dev.SignedStatSN && int32(statSN+1) <= int32(x.expStatSN)
}

// downgraded reports whether the login goes on without the authentication that was offered.
func (x *loginExchange) downgraded() bool {
	method, _ := x.negotiation.Answer(text.KeyAuthMethod)
	if !x.dev.Auth.AcceptUnofferedNone || method != "None" {
		return false
	}
	x.authenticated = true
	return true
}

// postpones reports whether CHAP's first message is left to the next request.
func (x *loginExchange) postpones() bool {
	late := x.dev.Auth.LateAlgorithm && !x.repeated
	x.repeated = x.repeated || late
	return late
}

// postponed returns what was kept of the last message.
func (x *loginExchange) postponed() text.Pairs {
	if !x.dev.Auth.LateChallenge {
		return nil
	}
	kept := x.held
	x.held = nil
	return kept
}

// spoilProof changes the message with the proof.
func (x *loginExchange) spoilProof(keys, message text.Pairs) text.Pairs {
	dev := &x.dev.Auth
	if last := len(message) - 1; dev.LateChallenge && last > 0 && message[last].Key == chap.KeyChallenge {
		x.held, message = message[last:], message[:last]
	}
	by := ""
	switch {
	case dev.CacheByIdentifier:
		by = chap.KeyIdentifier
	case dev.CacheByChallenge:
		by = chap.KeyChallenge
	}
	if key, ok := keys.Get(by); ok {
		x.cfg.challenges.repeat(key, message)
	}
	return message
}

// withFaults returns the configuration that a deviating initiator makes of its own.
func (cfg LoginConfig) withFaults(dev *Deviations) LoginConfig {
	if dev.Auth.NoneInDiscovery && cfg.Type == DiscoverySession {
		cfg.CHAP = nil
	}
	if dev.Auth.WithoutSecret && cfg.CHAP == nil {
		cfg.CHAP = &CHAP{AllowShortSecret: true}
	}
	return cfg
}

// predecessor describes the latest session to a target that is over; nil if there was none.
func (m *Manager) predecessor(target string) *SessionInfo {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range slices.Backward(m.retired) {
		if r.spec.Target == target {
			return &r.info
		}
	}
	return nil
}

// cutText keeps the whole pairs within the first bytes of a text.
func cutText(data []byte) []byte {
	if len(data) <= loginTextLimit {
		return data
	}
	return data[:bytes.LastIndexByte(data[:loginTextLimit], 0)+1]
}

// pester sends on the connection of a login what a deviating initiator sends by the clock. The caller stops it.
func (a *loginAttempt) pester(nc net.Conn, wire []byte) (stop func()) {
	var timers []*time.Timer
	if a.dev.Login.PingInLogin && a.cfg.PingInterval > 0 {
		ping := pdu.Encode(nil, &pdu.NOPOut{Immediate: true, ITT: 1, TTT: pdu.ReservedTag, CmdSN: firstCmdSN}, pdu.Digests{})
		timers = append(timers, time.AfterFunc(a.cfg.PingInterval, func() { _, _ = nc.Write(ping) }))
	}
	if a.dev.Login.ResendRequest {
		again := append([]byte(nil), wire...)
		timers = append(timers, time.AfterFunc(time.Second, func() { _, _ = nc.Write(again) }))
	}
	return func() {
		for _, t := range timers {
			t.Stop()
		}
	}
}

// serve takes a PDU in that has no place in a login, as a deviating initiator does. It reports whether the login goes on.
func (a *loginAttempt) serve(nc net.Conn, f *pdu.Frame) bool {
	if !a.dev.Login.AnyOpcode {
		return false
	}
	if p := new(pdu.NOPIn); f.Opcode() == pdu.OpNOPIn && p.DecodeBHS(&f.BHS) == nil {
		answer := pdu.NOPOut{Immediate: true, LUN: p.LUN, ITT: pdu.ReservedTag, TTT: p.TTT, CmdSN: firstCmdSN}
		_, _ = nc.Write(pdu.Encode(nil, &answer, pdu.Digests{}))
	}
	return true
}

// restarts reports whether a PDU makes a deviating initiator begin the login anew on the same connection.
func (a *loginAttempt) restarts(f *pdu.Frame) bool {
	const negotiationReset = 0x0b
	return a.dev.Login.RestartOnReject && f.Opcode() == pdu.OpReject && f.BHS[2] == negotiationReset
}

// oneReceive is a connection whose reader expects whole PDUs from it.
type oneReceive struct{ net.Conn }

func (c *oneReceive) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err == nil && n < pdu.BHSLength {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}
