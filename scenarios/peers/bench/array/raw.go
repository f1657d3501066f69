package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// rawVerb makes this program the other end of the raw exchange: it serves until its standard input ends, and first prints its address.
const rawVerb = "serve-raw"

// serveRaw answers what looks like SCSI Commands with as many bytes as a target would send, and with nothing behind them: no session, no
// order, no logical unit. All commands that one read brings are answered with one write.
func serveRaw() int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench/array: raw:", err)
		return 1
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				if err := (&raw{conn: conn}).serve(); !errors.Is(err, io.EOF) {
					fmt.Fprintln(os.Stderr, "bench/array: raw:", err)
				}
			}()
		}
	}()
	fmt.Println(l.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

// raw is one connection of the raw exchange.
type raw struct {
	conn net.Conn
	out  []byte // The answers to the commands of one read: they lie there from the last time, but for their tags.
	size int    // Of each answer.
}

const rawReadBytes = 256 << 10

// serve answers until the connection ends, and returns why it did: io.EOF where the other end closed it.
func (r *raw) serve() error {
	in := make([]byte, rawReadBytes)
	have, skip := 0, 0 // Bytes of an unfinished header, and of data that is dropped.
	for {
		n, err := r.conn.Read(in[have:])
		if err != nil {
			return err
		}
		rest, answers := in[:have+n], 0
		for len(rest) > 0 {
			if skip > 0 {
				drop := min(skip, len(rest))
				rest, skip = rest[drop:], skip-drop
				continue
			}
			if len(rest) < pdu.BHSLength {
				break
			}
			h := (*pdu.BHS)(rest)
			r.answer(h, answers)
			answers++
			skip, rest = h.DataSegmentLength(), rest[pdu.BHSLength:]
		}
		have = copy(in, rest)
		if answers > 0 {
			if _, err := r.conn.Write(r.out[:answers*r.size]); err != nil {
				return err
			}
		}
	}
}

// answer puts an answer into its place. The commands of a connection are all alike.
func (r *raw) answer(h *pdu.BHS, place int) {
	if r.size == 0 {
		r.size = pdu.BHSLength
		if h[1]&flagRead != 0 {
			r.size += int(binary.BigEndian.Uint32(h[20:]))
		}
	}
	for len(r.out) < (place+1)*r.size {
		r.out = append(r.out, make([]byte, r.size)...)
	}
	a := (*pdu.BHS)(r.out[place*r.size:])
	a[0], a[1] = byte(pdu.OpSCSIResponse), 0x80
	if r.size > pdu.BHSLength {
		a[0], a[1] = byte(pdu.OpDataIn), 0x81
	}
	a.SetDataSegmentLength(r.size - pdu.BHSLength)
	a.SetITT(h.ITT())
	copy(a[28:32], h[24:28])
	binary.BigEndian.PutUint32(a[32:], binary.BigEndian.Uint32(h[24:])+1024)
}
