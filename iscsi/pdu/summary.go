package pdu

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/iscsispec/iscsispec/iscsi"
)

// maxTextInSummary bounds the key=value text that one line shows, in bytes.
const maxTextInSummary = 240

// String gives the frame in one line, as ladders show it: the PDU's name, what it does, its tags and numbers, and digests that are wrong.
func (f *Frame) String() string {
	var s summary
	s.add("%s", f.Opcode())
	if p, err := f.Decode(); err == nil {
		s.pdu(p)
	} else {
		s.add("ITT=%s", tag(f.BHS.ITT()))
	}
	if n := len(f.Data); n > 0 && f.Opcode() != OpReject {
		s.add("[%d bytes]", n)
	}
	if n := f.BHS.DataSegmentLength(); n != len(f.Data) {
		s.add("DataSegmentLength=%d!", n)
	}
	if err := f.HeaderDigestError(); err != nil {
		s.add("header digest 0x%08x!", err.Got)
	}
	if err := f.DataDigestError(); err != nil {
		s.add("data digest 0x%08x!", err.Got)
	}
	return s.String()
}

// summary collects the words of one line.
type summary struct{ strings.Builder }

func (s *summary) add(format string, args ...any) {
	if s.Len() > 0 {
		s.WriteByte(' ')
	}
	fmt.Fprintf(s, format, args...)
}

// when adds a word if on.
func (s *summary) when(on bool, word string) {
	if on {
		s.add("%s", word)
	}
}

func (s *summary) pdu(p PDU) {
	switch p := p.(type) {
	case *NOPOut:
		s.when(p.Immediate, "I")
		s.tags(p.ITT, p.TTT)
		s.command(p.CmdSN, p.ExpStatSN)
	case *NOPIn:
		s.tags(p.ITT, p.TTT)
		s.target(p.StatSN, p.ExpCmdSN, p.MaxCmdSN)
	case *SCSICommand:
		s.scsiCommand(p)
	case *SCSIResponse:
		s.scsiResponse(p)
	case *DataOut:
		s.when(p.Final, "F")
		s.tags(p.ITT, p.TTT)
		s.add("DataSN=%d offset=%d ExpStatSN=%d", p.DataSN, p.BufferOffset, p.ExpStatSN)
	case *DataIn:
		s.dataIn(p)
	case *R2T:
		s.tags(p.ITT, p.TTT)
		s.add("R2TSN=%d offset=%d length=%d", p.R2TSN, p.BufferOffset, p.DesiredDataTransferLength)
		s.target(p.StatSN, p.ExpCmdSN, p.MaxCmdSN)
	default:
		s.control(p)
	}
}

// control adds what PDUs say that carry no SCSI data.
func (s *summary) control(p PDU) {
	switch p := p.(type) {
	case *TaskManagementRequest:
		s.add("%s", p.Function)
		s.when(p.Immediate, "I")
		s.add("LUN=%s ITT=%s RefTag=%s RefCmdSN=%d", lun(p.LUN), tag(p.ITT), tag(p.ReferencedTaskTag), p.RefCmdSN)
		s.command(p.CmdSN, p.ExpStatSN)
	case *TaskManagementResponse:
		s.add("%s ITT=%s", p.Response, tag(p.ITT))
		s.target(p.StatSN, p.ExpCmdSN, p.MaxCmdSN)
	case *LogoutRequest:
		s.add("%s", p.Reason)
		s.when(p.Immediate, "I")
		s.add("CID=%d ITT=%s", p.CID, tag(p.ITT))
		s.command(p.CmdSN, p.ExpStatSN)
	case *LogoutResponse:
		s.add("%s ITT=%s Time2Wait=%d Time2Retain=%d", p.Response, tag(p.ITT), p.Time2Wait, p.Time2Retain)
		s.target(p.StatSN, p.ExpCmdSN, p.MaxCmdSN)
	case *SNACKRequest:
		s.add("%s", p.Type)
		s.tags(p.ITT, p.TTT)
		s.add("BegRun=%d RunLength=%d ExpStatSN=%d", p.BegRun, p.RunLength, p.ExpStatSN)
	case *AsyncMessage:
		s.add("%s LUN=%s parameters=%d,%d,%d", p.Event, lun(p.LUN), p.Parameter1, p.Parameter2, p.Parameter3)
		s.target(p.StatSN, p.ExpCmdSN, p.MaxCmdSN)
	case *Reject:
		s.add("%s", p.Reason)
		if h, ok := p.Rejected(); ok {
			s.add("of %s ITT=%s", h.Opcode(), tag(h.ITT()))
		}
		s.target(p.StatSN, p.ExpCmdSN, p.MaxCmdSN)
	default:
		s.text(p)
	}
}

// text adds what PDUs say that carry key=value text.
func (s *summary) text(p PDU) {
	switch p := p.(type) {
	case *LoginRequest:
		s.stages(p.Transit, p.Continue, p.CSG, p.NSG)
		s.add("ISID=%s TSIH=0x%04x CID=%d ITT=%s", hex.EncodeToString(p.ISID[:]), p.TSIH, p.CID, tag(p.ITT))
		s.command(p.CmdSN, p.ExpStatSN)
		s.keys(p.Data)
	case *LoginResponse:
		s.add("%s", iscsi.Status(p.Status()))
		s.stages(p.Transit, p.Continue, p.CSG, p.NSG)
		s.add("TSIH=0x%04x ITT=%s", p.TSIH, tag(p.ITT))
		s.target(p.StatSN, p.ExpCmdSN, p.MaxCmdSN)
		s.keys(p.Data)
	case *TextRequest:
		s.when(p.Final, "F")
		s.when(p.Continue, "C")
		s.when(p.Immediate, "I")
		s.tags(p.ITT, p.TTT)
		s.command(p.CmdSN, p.ExpStatSN)
		s.keys(p.Data)
	case *TextResponse:
		s.when(p.Final, "F")
		s.when(p.Continue, "C")
		s.tags(p.ITT, p.TTT)
		s.target(p.StatSN, p.ExpCmdSN, p.MaxCmdSN)
		s.keys(p.Data)
	}
}

func (s *summary) scsiCommand(p *SCSICommand) {
	s.add("%s", cdbSummary(p.CDB[:]))
	s.add("LUN=%s ITT=%s", lun(p.LUN), tag(p.ITT))
	s.when(p.Immediate, "I")
	s.command(p.CmdSN, p.ExpStatSN)
	s.add("EDTL=%d", p.ExpectedDataTransferLength)
	s.when(p.Read, "R")
	s.when(p.Write, "W")
	s.when(p.Final, "F")
	if p.Attr != AttrSimple {
		s.add("%s", p.Attr)
	}
	if len(p.AHS) > 0 {
		s.add("AHS=%d", len(p.AHS))
	}
}

func (s *summary) scsiResponse(p *SCSIResponse) {
	if p.Response == ResponseCompleted {
		s.add("%s", statusName(p.Status))
	} else {
		s.add("response 0x%02x", byte(p.Response))
	}
	if sense := p.Sense(); sense != nil {
		s.add("sense %s", senseSummary(sense))
	}
	s.add("ITT=%s", tag(p.ITT))
	s.target(p.StatSN, p.ExpCmdSN, p.MaxCmdSN)
	if p.ExpDataSN != 0 {
		s.add("ExpDataSN=%d", p.ExpDataSN)
	}
	s.residual(p.Overflow, p.Underflow, p.ResidualCount)
}

func (s *summary) dataIn(p *DataIn) {
	s.when(p.Final, "F")
	s.when(p.Acknowledge, "A")
	s.tags(p.ITT, p.TTT)
	s.add("DataSN=%d offset=%d", p.DataSN, p.BufferOffset)
	if p.StatusPresent {
		s.add("%s", statusName(p.Status))
		s.target(p.StatSN, p.ExpCmdSN, p.MaxCmdSN)
		s.residual(p.Overflow, p.Underflow, p.ResidualCount)
		return
	}
	s.add("ExpCmdSN=%d MaxCmdSN=%d", p.ExpCmdSN, p.MaxCmdSN)
}

func (s *summary) tags(itt, ttt uint32) {
	s.add("ITT=%s", tag(itt))
	if ttt != ReservedTag {
		s.add("TTT=%s", tag(ttt))
	}
}

func (s *summary) command(cmdSN, expStatSN uint32) {
	s.add("CmdSN=%d ExpStatSN=%d", cmdSN, expStatSN)
}

func (s *summary) target(statSN, expCmdSN, maxCmdSN uint32) {
	s.add("StatSN=%d ExpCmdSN=%d MaxCmdSN=%d", statSN, expCmdSN, maxCmdSN)
}

func (s *summary) residual(over, under bool, n uint32) {
	if over {
		s.add("overflow=%d", n)
	}
	if under {
		s.add("underflow=%d", n)
	}
}

func (s *summary) stages(transit, cont bool, csg, nsg Stage) {
	if transit {
		s.add("%s to %s", csg, nsg)
	} else {
		s.add("%s", csg)
	}
	s.when(cont, "C")
}

// keys adds key=value text, one space between pairs, cut to a readable length. Bytes that are no text show as hexadecimal escapes.
func (s *summary) keys(data []byte) {
	text := bytes.TrimRight(data, "\x00")
	cut := len(text) > maxTextInSummary
	if cut {
		text = text[:maxTextInSummary]
	}
	if len(text) == 0 {
		return
	}
	var shown strings.Builder
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		switch {
		case r == 0:
			shown.WriteByte(' ')
		case r == utf8.RuneError && n == 1, r < ' ', r == 0x7f:
			fmt.Fprintf(&shown, "\\x%02x", text[0])
		default:
			shown.WriteRune(r)
		}
		text = text[n:]
	}
	if cut {
		shown.WriteString(" ...")
	}
	s.add("{%s}", shown.String())
}

func tag(t uint32) string {
	if t == ReservedTag {
		return "none"
	}
	return fmt.Sprintf("0x%x", t)
}

// lun gives the number of a LUN with peripheral or flat addressing and one level, and the eight bytes of any other.
func lun(l uint64) string {
	first := l >> 48
	if l<<16 == 0 && (first>>14 == 0 && first < 256 || first>>14 == 1) {
		return fmt.Sprint(first & 0x3fff)
	}
	return fmt.Sprintf("0x%016x", l)
}
