package initiator

import (
	"context"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

// TextDeviations are faults in Text Requests and in what is made of the answers (RFC 7143, Sections 6.4, 11.10 and 11.11).
type TextDeviations struct {
	// RepeatLoginKeys answers a request for negotiation (event 4) with all keys of the login.
	RepeatLoginKeys bool
	// RejectCloses gives the connection up when a Text Request is rejected.
	RejectCloses bool
	// Concurrent begins an exchange while another one is under way.
	Concurrent bool
	// MatchByOpcode takes any Text Response for the one that is waited for.
	MatchByOpcode bool
	// PeerLimitIsOwn takes the target's MaxRecvDataSegmentLength for this side's own.
	PeerLimitIsOwn bool
	// DropUnknownKeys leaves keys that it does not know unanswered.
	DropUnknownKeys bool
	// FinalWithContinue sets the F bit in every Text Request.
	FinalWithContinue bool
	// ClearFinalOnContinue sets the F bit only in the first request of an exchange.
	ClearFinalOnContinue bool
	// LastDeclarationWins takes a key that comes twice as if it had come once.
	LastDeclarationWins bool
	// ResumesExchange begins the first exchange after the loss of a connection with the Target Transfer Tag of the one that was lost.
	ResumesExchange bool
	// LoginLimit cuts its text at the 8192 bytes of the login, whatever the target has declared.
	LoginLimit bool
}

// mistake makes the faults of single fields of a Text Request.
func (x *textExchange) mistake(p *pdu.TextRequest) {
	dev := &x.s.dev.Text
	if dev.FinalWithContinue {
		p.Final = true
	}
	if dev.ClearFinalOnContinue && x.begun {
		p.Final = false
	}
}

// textAsBefore is Text of an initiator that takes an exchange for the session's, which goes on when a connection is lost.
func (m *Manager) textAsBefore(ctx context.Context, id SessionID, session *Session, pairs text.Pairs) (text.Pairs, error) {
	s, err := m.find(id)
	if err != nil {
		return nil, err
	}
	var old, lost uint32
	s.ask(func() { old, s.lostTTT = s.lostTTT, 0 })
	session.mu.Lock()
	session.oldTTT = old
	session.mu.Unlock()
	got, err := session.Text(ctx, pairs)
	session.mu.Lock()
	session.oldTTT, lost = 0, session.lostTTT
	session.mu.Unlock()
	if err != nil {
		s.ask(func() { s.lostTTT = lost })
	}
	return got, err
}

// textRows are the rows about Text Requests.
func textRows() []RowDeviation {
	return []RowDeviation{
		{"text.no-repeat-of-login-only-keys", func(d *Deviations) { d.Text.RepeatLoginKeys = true }},
		{"text.negotiation-reset", func(d *Deviations) { d.Text.RejectCloses = true }},
		{"text.one-at-a-time", func(d *Deviations) { d.Text.Concurrent = true }},
		{"text.response-wrong-itt", func(d *Deviations) { d.Text.MatchByOpcode = true }},
		{"text.mrdsl-change", func(d *Deviations) { d.Text.PeerLimitIsOwn = true }},
		{"text.target-unknown-key", func(d *Deviations) { d.Text.DropUnknownKeys = true }},
		{"text.cbit-excludes-fbit", func(d *Deviations) { d.Text.FinalWithContinue = true }},
		{"text.final-bit-kept", func(d *Deviations) { d.Text.ClearFinalOnContinue = true }},
		{"text.repeated-key-resets", func(d *Deviations) { d.Text.LastDeclarationWins = true }},
		{"text.ends-with-connection", func(d *Deviations) { d.Text.ResumesExchange = true }},
		{"text.target-limit-respected", func(d *Deviations) { d.Text.LoginLimit = true }},
	}
}
