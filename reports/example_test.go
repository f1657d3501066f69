package reports_test

import (
	"log"
	"os"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/reports"
	"github.com/iscsispec/iscsispec/trace"
)

// A ladder draws who said what to whom, and when.
func ExampleWriteLadder() {
	ping := trace.PDUOf(pdu.FrameOf(&pdu.NOPOut{Immediate: true, ITT: 7, TTT: pdu.ReservedTag, CmdSN: 1}), 0)
	answer := trace.PDUOf(pdu.FrameOf(&pdu.NOPIn{ITT: 7, TTT: pdu.ReservedTag, StatSN: 1, ExpCmdSN: 1, MaxCmdSN: 32}), 0)
	const conn, near, far = "10.0.0.1:3260#1", "10.0.0.2:50000", "10.0.0.1:3260"
	events := []trace.Event{
		{At: time.Second, Kind: trace.KindConnUp, Node: trace.NodeInitiator, Conn: conn, From: near, To: far},
		{At: time.Second, Kind: trace.KindPDUSent, Node: trace.NodeInitiator, Conn: conn, PDU: ping},
		{At: time.Second + time.Millisecond, Kind: trace.KindPDUReceived, Node: trace.NodeInitiator, Conn: conn, PDU: answer},
	}
	if err := reports.WriteLadder(os.Stdout, events, 0); err != nil {
		log.Fatal(err)
	}
	// Output:
	//      1.000  -->  NOP-Out I ITT=0x7 CmdSN=1 ExpStatSN=0
	//      1.001  <--  NOP-In ITT=0x7 StatSN=1 ExpCmdSN=1 MaxCmdSN=32
}
