package reports

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/iscsispec/iscsispec/trace"
)

// recordingFlush is how much is collected before it is handed to the system although more is at hand, in bytes.
const recordingFlush = 256 << 10

// recordingPart is a capture and a trace. Both are written in whole packets and lines, so that what a killed process leaves can be read.
type recordingPart struct {
	options *RecordingOptions
	start   time.Time
	number  int
	capture *os.File
	events  *os.File
	written int64 // bytes in both files

	packets bytes.Buffer // encoded, not yet written
	lines   bytes.Buffer
	ng      *pcapgo.NgWriter
	json    *json.Encoder
}

// newRecordingPart makes the two files; an error that wraps os.ErrExist says that the number is taken.
func newRecordingPart(o *RecordingOptions, number int, start time.Time) (*recordingPart, error) {
	captureName, eventsName := partNames(o.Dir, number)
	p := &recordingPart{options: o, start: start, number: number}
	var err error
	if p.capture, err = os.OpenFile(captureName, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644); err != nil {
		return nil, err
	}
	if p.events, err = os.OpenFile(eventsName, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644); err != nil {
		_ = p.capture.Close() // nothing was written
		return nil, errors.Join(err, os.Remove(captureName))
	}
	p.json = json.NewEncoder(&p.lines)
	p.json.SetEscapeHTML(false)
	return p, nil
}

// begin writes what both files open with.
func (p *recordingPart) begin(at time.Duration) error {
	intf := pcapgo.NgInterface{
		Name: "iscsispec", Description: "what was seen: true bytes and addresses, in Ethernet, IP and TCP that are made up",
		LinkType: layers.LinkTypeEthernet, TimestampResolution: 9,
	}
	section := pcapgo.NgSectionInfo{Application: p.options.Application, Comment: fmt.Sprintf("part %d of a recording", p.number)}
	var err error
	if p.ng, err = pcapgo.NewNgWriterInterface(&p.packets, intf, pcapgo.NgWriterOptions{SectionInfo: section}); err != nil {
		return err
	}
	note := startNote(p.number, p.start, at)
	if err := p.add(&note, nil); err != nil {
		return err
	}
	return p.flush()
}

// add encodes an event and the packets that show it.
func (p *recordingPart) add(e *trace.Event, packets []packet) error {
	if err := p.json.Encode(e); err != nil {
		return err
	}
	for i := range packets {
		k := &packets[i]
		info := gopacket.CaptureInfo{Timestamp: p.start.Add(k.at), CaptureLength: len(k.bytes), Length: len(k.bytes)}
		if err := p.ng.WritePacketWithOptions(info, k.bytes, pcapgo.NgPacketOptions{Comments: k.comments}); err != nil {
			return err
		}
	}
	if p.lines.Len()+p.packets.Len() < recordingFlush {
		return nil
	}
	return p.flush()
}

// waiting is how many bytes are encoded and not yet written.
func (p *recordingPart) waiting() int64 { return int64(p.lines.Len() + p.packets.Len()) }

// flush hands what is encoded to the system.
func (p *recordingPart) flush() error {
	if err := p.ng.Flush(); err != nil {
		return err
	}
	for _, f := range []struct {
		file *os.File
		text *bytes.Buffer
	}{{p.capture, &p.packets}, {p.events, &p.lines}} {
		if f.text.Len() == 0 {
			continue
		}
		n, err := f.file.Write(f.text.Bytes())
		p.written += int64(n)
		f.text.Reset()
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *recordingPart) close() error {
	return errors.Join(p.flush(), p.capture.Close(), p.events.Close())
}

// abandon lets go of the files after a failure that is told already.
func (p *recordingPart) abandon() {
	_ = p.capture.Close()
	_ = p.events.Close()
}

func (p *recordingPart) remove() error {
	return errors.Join(os.Remove(p.capture.Name()), os.Remove(p.events.Name()))
}
