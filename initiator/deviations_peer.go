package initiator

import (
	"encoding/binary"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

// DigestDeviations are faults in making and checking digests (RFC 7143, Section 11.2.3).
type DigestDeviations struct {
	// PadExcluded leaves the padding out of the data digest.
	PadExcluded bool
	// AHSExcluded leaves additional header segments out of the header digest.
	AHSExcluded bool
	// BigEndian sends digests with the most significant byte first.
	BigEndian bool
	// TrustHeaders does not compare header digests.
	TrustHeaders bool
	// TrustData does not compare data digests.
	TrustData bool
	// NoRecoveryR2T takes an R2T for data that was sent already for out of order, at any ErrorRecoveryLevel.
	NoRecoveryR2T bool
	// SurvivesReconnect puts the digests of the session before into a login.
	SurvivesReconnect bool
}

// snacksPerNumber bounds what SNACKPerNumber asks for at once.
const snacksPerNumber = 1000

// PeerDeviations are faults before a target that breaks the protocol.
type PeerDeviations struct {
	// DeafAfterUnknownOpcode looks at nothing any more after a PDU with an opcode that it does not know.
	DeafAfterUnknownOpcode bool
	// LateLoginCounts takes the keys and the TSIH of a Login Response in full feature phase.
	LateLoginCounts bool
	// EventsUnacknowledged leaves Async Messages out of ExpStatSN.
	EventsUnacknowledged bool
	// SNACKPerNumber asks for the numbers of a gap that is too long by a SNACK each, up to snacksPerNumber.
	SNACKPerNumber bool
	// LogoutUnasked takes a Logout Response that nothing asked for as the end that the user wanted.
	LogoutUnasked bool
}

func (d *PeerDeviations) any() bool { return *d != PeerDeviations{} }

// departOpcode deals with a PDU in a deviating way, or reports that it does not.
func (c *connection) departOpcode(h *pdu.BHS) (done bool, err error) {
	d := &c.s.dev.Peer
	switch op := h.Opcode(); {
	case c.deaf:
		return true, nil
	case op == pdu.OpLoginResponse && d.LateLoginCounts:
		data, err := c.segment(h)
		if err != nil {
			return true, err
		}
		pairs, _ := text.Parse(data)
		c.s.mu.Lock()
		defer c.s.mu.Unlock()
		c.s.info.TSIH = binary.BigEndian.Uint16(h[14:])
		for _, pair := range pairs {
			c.s.params.Set(pair.Key, pair.Value, false)
		}
		c.expStatSN++
		return true, nil
	case op == pdu.OpLogoutResponse && d.LogoutUnasked:
		c.s.mu.Lock()
		defer c.s.mu.Unlock()
		if c.s.tasks.find(h.ITT()) == nil {
			c.s.byUser = true
			return true, ErrClosed
		}
	case op == pdu.OpAsyncMessage && d.EventsUnacknowledged:
		c.s.mu.Lock()
		c.concealed++
		c.s.mu.Unlock()
	case d.DeafAfterUnknownOpcode && pdu.New(op) == nil:
		c.deaf = true
		return true, nil
	}
	return false, nil
}

// loginDigests are those of a login: none, unless an initiator deviates (RFC 7143, Section 6.3).
func (a *loginAttempt) loginDigests() pdu.Digests {
	if before := a.cfg.Previous; before != nil && a.dev.Digest.SurvivesReconnect {
		return pdu.Digests{Header: before.Params.HeaderDigest, Data: before.Params.DataDigest}
	}
	return pdu.Digests{}
}

// askEach asks for statuses one by one. The mutex is held.
func (c *connection) askEach(from uint32) {
	for n := range uint32(snacksPerNumber) {
		c.sendSNACK(&pdu.SNACKRequest{Type: pdu.SNACKStatus, ITT: pdu.ReservedTag, TTT: pdu.ReservedTag, BegRun: from + n, RunLength: 1})
	}
}
