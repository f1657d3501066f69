package probe

import (
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

// textRounds bounds how many parts of an answer the probe follows.
const textRounds = 1024

// TextResult is what came of a text exchange.
type TextResult struct {
	// Complete tells whether the answer came to its end (F=1). Otherwise Event says what came instead.
	Complete bool
	Event    Event
	// Pairs is the joined text; Err is what was wrong with it.
	Pairs text.Pairs
	Err   error
	// Responses are all Text Responses, in order.
	Responses []*pdu.TextResponse
	// Bytes is the joined text as it came.
	Bytes []byte
}

// TextRequest makes a Text Request (I=0, F=1, C=0) with the pairs, without sending it. It uses up a CmdSN.
func (c *Conn) TextRequest(pairs text.Pairs) *pdu.TextRequest {
	return &pdu.TextRequest{Final: true, ITT: c.NewTag(), TTT: pdu.ReservedTag, CmdSN: c.Session.take(false), ExpStatSN: c.ExpStatSN,
		Data: pairs.Append(nil)}
}

// Text sends a Text Request and follows its answer to the end with empty requests.
func (c *Conn) Text(pairs text.Pairs) TextResult { return c.FollowText(c.TextRequest(pairs)) }

// FollowText does the same with a request that the check has made.
func (c *Conn) FollowText(request *pdu.TextRequest) TextResult {
	var r TextResult
	assembler := text.Assembler{MaxBytes: 1 << 20}
	for range textRounds {
		// A failed write shows in the next event.
		_ = c.Send(request)
		r.Event = c.AnswerTo(request.ITT)
		response, ok := As[*pdu.TextResponse](r.Event)
		if !ok {
			return r
		}
		r.Responses = append(r.Responses, response)
		r.Bytes = append(r.Bytes, response.Data...)
		pairs, whole, err := assembler.Add(response.Data, response.Continue)
		if whole {
			r.Pairs = append(r.Pairs, pairs...)
		}
		if err != nil && r.Err == nil {
			r.Err = err
		}
		if response.Final || response.TTT == pdu.ReservedTag {
			r.Complete = response.Final
			return r
		}
		request = &pdu.TextRequest{Final: true, LUN: response.LUN, ITT: request.ITT, TTT: response.TTT, CmdSN: c.Session.take(false),
			ExpStatSN: c.ExpStatSN}
	}
	r.Err = &text.LimitError{What: "parts", Limit: textRounds, Got: textRounds + 1}
	return r
}

// Record is what an answer to SendTargets says of one target.
type Record struct {
	Name      string
	Alias     string
	Addresses []iscsi.TargetAddress
}

// SendTargets asks for targets: "All", a name, or "" for the session's own target. The records are in the order of the
// answer. An error is a *Mismatch when no whole answer came, or tells what in the answer is malformed; the records that
// could be read come with it.
func (c *Conn) SendTargets(value string) ([]Record, TextResult, error) {
	r := c.Text(text.Pairs{{Key: text.KeySendTargets, Value: value}})
	if !r.Complete {
		return nil, r, c.Mismatch(r.Event, "a Text Response that ends the answer to SendTargets")
	}
	records, err := ParseRecords(r.Pairs)
	if r.Err != nil {
		err = r.Err
	}
	return records, r, err
}

// ParseRecords reads the text of an answer to SendTargets (RFC 7143, Appendix C). It returns what it can read beside an
// error about the first fault.
func ParseRecords(pairs text.Pairs) ([]Record, error) {
	var records []Record
	var fault error
	note := func(format string, args ...any) {
		if fault == nil {
			fault = fmt.Errorf("answer to SendTargets: "+format+" (RFC 7143, Appendix C)", args...)
		}
	}
	for _, pair := range pairs {
		if pair.Key == text.KeyTargetName {
			records = append(records, Record{Name: pair.Value})
			continue
		}
		if len(records) == 0 {
			note("expected TargetName first, got %s", pair)
			continue
		}
		last := &records[len(records)-1]
		switch pair.Key {
		case text.KeyTargetAddress:
			address, err := iscsi.ParseTargetAddress(pair.Value)
			if err != nil {
				note("%v", err)
				continue
			}
			last.Addresses = append(last.Addresses, address)
		case text.KeyTargetAlias:
			last.Alias = pair.Value
		default:
			note("expected TargetName, TargetAddress or TargetAlias, got %s", pair)
		}
	}
	return records, fault
}
