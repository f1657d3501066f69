package pdu_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// PDUs are written as bytes, and read back from a stream.
func ExampleReader() {
	var wire []byte
	both := pdu.Digests{Header: true, Data: true}
	wire = pdu.Encode(wire, &pdu.NOPOut{Immediate: true, ITT: 7, TTT: pdu.ReservedTag, CmdSN: 1, Data: []byte("ping")}, both)
	wire = pdu.Encode(wire, &pdu.LogoutRequest{Immediate: true, Reason: pdu.LogoutCloseSession, ITT: 8, CmdSN: 1}, both)

	r := pdu.NewReader(bytes.NewReader(wire), pdu.Limits{})
	r.SetDigests(both)
	for {
		frame, err := r.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		p, err := frame.Decode()
		if err != nil {
			fmt.Println(err)
			return
		}
		switch p := p.(type) {
		case *pdu.NOPOut:
			fmt.Printf("ping %q, task %d\n", p.Data, p.ITT)
		default:
			fmt.Println(frame)
		}
	}
	// Output:
	// ping "ping", task 7
	// Logout Request close session I CID=0 ITT=0x8 CmdSN=1 ExpStatSN=0
}

// The path without allocation: the header first, then the data to where it belongs.
func ExampleReader_ReadHeader() {
	wire := pdu.Encode(nil, &pdu.DataIn{Final: true, ITT: 3, BufferOffset: 4, Data: []byte("data")}, pdu.Digests{})
	buffer := []byte("....----")

	r := pdu.NewReader(bytes.NewReader(wire), pdu.Limits{})
	var h pdu.BHS
	if _, err := r.ReadHeader(&h); err != nil {
		fmt.Println(err)
		return
	}
	var p pdu.DataIn
	if err := p.DecodeBHS(&h); err != nil {
		fmt.Println(err)
		return
	}
	if err := r.ReadData(buffer[p.BufferOffset:][:h.DataSegmentLength()]); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s for task %d: %s\n", h.Opcode(), p.ITT, buffer)
	// Output: Data-In for task 3: ....data
}

// A Frame can lie, as no lawful peer would: here the header announces more data than there is.
func ExampleFrame() {
	f := pdu.FrameOf(&pdu.NOPIn{ITT: pdu.ReservedTag, TTT: 5})
	f.BHS.SetDataSegmentLength(100)
	_, err := pdu.NewReader(bytes.NewReader(f.Append(nil, pdu.Digests{})), pdu.Limits{MaxDataSegmentLength: 64}).Read()
	fmt.Println(err)
	// Output: pdu: NOP-In: data segment of 100 bytes, limit 64
}
