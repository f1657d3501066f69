package sessions

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/trace"
)

// outcome is how an op ended.
type outcome struct {
	name    string
	err     error
	session initiator.SessionID
	attrs   []trace.Attr
	rows    []trace.Event
}

// recordBegin records that an op begins.
func (x *execution) recordBegin(c *call, e trace.Event) {
	e.State = trace.OpBegin
	x.recordOp(c, e)
}

// recordEnd records an op's rows and its end.
func (x *execution) recordEnd(c *call, o outcome) {
	for _, row := range o.rows {
		row.State = stateRow
		x.recordOp(c, row)
	}
	e := trace.Event{State: trace.OpEnd, Reason: o.name, Session: uint64(o.session), Attrs: o.attrs}
	if o.err != nil {
		e.Err = trace.ErrorText(o.err)
	}
	x.recordOp(c, e)
}

// recordOp completes an event of an op. What the teardown does is not recorded.
func (x *execution) recordOp(c *call, e trace.Event) {
	x.mu.Lock()
	over := x.over
	x.mu.Unlock()
	if over {
		return
	}
	e.Kind, e.Node, e.Op, e.Request = trace.KindOp, trace.NodeDriver, c.op.OpName(), c.seq
	e.Attrs = append([]trace.Attr{trace.A(attrLabel, c.step.Label), trace.A(attrNumber, c.n)}, e.Attrs...)
	x.log.Record(e)
}

// impossible is the outcome of an op that could not be done, for want of what the plan took for granted.
func (x *execution) impossible(err error) outcome {
	x.complain("an op could not be done: %v", err)
	return outcome{name: Failed, err: err}
}

// ended names how an operation that is no command ended.
func ended(err error) outcome {
	o := outcome{name: initiator.OutcomeOf(err), err: err}
	if exists, ok := errors.AsType[*initiator.ExistsError](err); ok {
		o.session = exists.ID
	}
	refused, isLogin := errors.AsType[*initiator.LoginError](err)
	if isLogin && refused.Status != iscsi.StatusSuccess {
		o.attrs = append(o.attrs, trace.A(attrStatus, fmt.Sprintf("0x%04x", uint16(refused.Status))))
	}
	_, isNet := errors.AsType[*net.OpError](err)
	_, isKey := errors.AsType[*text.KeyError](err)
	switch {
	case o.name != Failed && o.name != TransportLost:
	case isLogin && (refused.Status != iscsi.StatusSuccess || refused.Expected != "" || isKey):
		o.name = LoginFailed
	case isLogin || isNet:
		o.name = Unreachable
	}
	if redirect, ok := errors.AsType[*initiator.RedirectError](err); ok && !isLogin {
		o.name = LoginFailed
		o.attrs = append(o.attrs, trace.A(attrStatus, fmt.Sprintf("0x%04x", uint16(redirect.Status))))
	}
	if status, ok := errors.AsType[*initiator.StatusError](err); ok {
		o.name = status.Status.String()
		o.attrs = append(o.attrs, senseAttr(status.Sense)...)
	}
	return o
}

// completed names how a command ended, and tells what it moved.
func completed(r *initiator.Request) outcome {
	o := outcome{name: r.Outcome(), err: r.Err}
	data := r.Write
	if len(r.Read) > 0 {
		data = r.Read
	}
	data = data[:min(r.Transferred, len(data))]
	o.attrs = append(o.attrs, trace.A(attrLength, len(data)))
	if len(data) > 0 {
		o.attrs = append(o.attrs, trace.A(attrDigest, digestOf(data)), trace.A(attrHead, headOf(data)))
	}
	if r.Err == nil {
		o.attrs = append(o.attrs, senseAttr(r.Sense)...)
	}
	return o
}

func senseAttr(sense []byte) []trace.Attr {
	if len(sense) == 0 {
		return nil
	}
	s, err := scsi.ParseSense(sense)
	if err != nil {
		return []trace.Attr{trace.A(attrSense, hex.EncodeToString(sense))}
	}
	return []trace.Attr{trace.A(attrSense, fmt.Sprintf("%02x/%02x/%02x", byte(s.Key), byte(s.Code>>8), byte(s.Code)))}
}

// digestOf is short enough to be read and long enough that two different answers do not share one.
func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8])
}

// headOf shows how data begin: a stamp as text, anything else in hexadecimal.
func headOf(data []byte) string {
	const most = 32
	text, _, found := strings.Cut(string(data[:min(len(data), 2*most)]), "\x00")
	printable := strings.IndexFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) < 0
	if found && printable && text != "" {
		return text
	}
	return hex.EncodeToString(data[:min(len(data), most)])
}

// contentOf tells what each block of data is: the stamp of the write that wrote all of it, or else a hash of its bytes. They are separated by
// spaces, which no stamp of a sound plan has.
func contentOf(data []byte) string {
	var blocks []string
	whole := make([]byte, blockSize)
	for ; len(data) > 0; data = data[min(blockSize, len(data)):] {
		block := data[:min(blockSize, len(data))]
		text := headOf(block)
		if fill(whole, text); !bytes.Equal(block, whole) {
			text = digestOf(block)
		}
		blocks = append(blocks, text)
	}
	return strings.Join(blocks, " ")
}

// Stamp is how a block begins that the n-th Write of a step wrote: "<label>.<n>@<lba>". OpRun.Head shows it of what is read and written.
func Stamp(label string, n int, lba uint64) string { return fmt.Sprintf("%s.%d@%d", label, n, lba) }

// stamp fills a block so that it tells who wrote it: the stamp, then bytes that follow from it.
func stamp(block []byte, label string, n int, lba uint64) {
	fill(block, Stamp(label, n, lba))
}

// fill fills a block with a stamp and what follows from it.
func fill(block []byte, text string) {
	text += "\x00"
	seed := sha256.Sum256([]byte(text))
	for i := range block {
		block[i] = seed[i%len(seed)] ^ byte(i>>5)
	}
	copy(block, text)
}
