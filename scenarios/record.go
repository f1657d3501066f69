package scenarios

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// Schema is the version of the records' form. Readers refuse a higher one.
const Schema = 1

// lineMax bounds one line of records that is read back, in bytes.
const lineMax = 64 << 20

// headerRoom is the space left behind the header for what is only known at the end, in bytes.
const headerRoom = 96

// Header is the first line of records.jsonl. All that depends on the wall clock, the machine or the build stands here
// and nowhere else.
type Header struct {
	// Kind is always "run".
	Kind   string `json:"kind"`
	Schema int    `json:"schema"`
	Tool   Build  `json:"tool"`
	// Catalogue is the hash of the embedded catalogue.
	Catalogue string `json:"catalogue"`
	// Suites that took part, and Peer: who was judged. It holds no secret.
	Suites []string `json:"suites"`
	Peer   string   `json:"peer"`
	Seed   uint64   `json:"seed"`
	// Command is the command line without secrets.
	Command []string `json:"command,omitempty"`
	Strict  bool     `json:"strict,omitempty"`
	Allow   string   `json:"allow"`
	Shard   string   `json:"shard,omitempty"`
	// Abilities of a peer outside, as they were learned or told.
	Abilities Abilities `json:"abilities,omitempty"`
	// Selected is how many checks were to run.
	Selected int `json:"selected"`
	Workers  int `json:"workers"`
	// Host is the operating system and architecture, Started the wall clock.
	Host    string    `json:"host"`
	Started time.Time `json:"started"`
	// DurationMS of the whole run on the wall clock, in milliseconds; 0 in records of a run that was cut short by force.
	DurationMS int64 `json:"duration_ms"`
	// Interrupted tells that the run was ended early and the records are whole but fewer.
	Interrupted bool `json:"interrupted,omitempty"`
}

// Build says what was built from what.
type Build struct {
	Name     string `json:"name"`
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go"`
}

// Recorder writes records.jsonl: the header at once, then one whole line a result. It is not safe for concurrent use;
// the runner hands results out one after the other.
type Recorder struct {
	w      io.Writer
	header Header
	room   int
}

// NewRecorder writes the header. Where w can also write at a place, Finish completes the header.
func NewRecorder(w io.Writer, header Header) (*Recorder, error) {
	header.Kind, header.Schema = "run", Schema
	r := &Recorder{w: w, header: header}
	line, err := json.Marshal(header)
	if err != nil {
		return nil, fmt.Errorf("encoding the run header: %w", err)
	}
	r.room = len(line) + headerRoom
	return r, r.writeLine(pad(line, r.room))
}

// Write appends one result.
func (r *Recorder) Write(result *Result) error {
	line, err := json.Marshal(result)
	if err != nil {
		return fmt.Errorf("encoding the record of %s: %w", result.ID, err)
	}
	return r.writeLine(line)
}

// Finish puts the wall duration and the interruption into the header, where the writer allows it.
func (r *Recorder) Finish(wall time.Duration, interrupted bool) error {
	r.header.DurationMS, r.header.Interrupted = max(1, wall.Milliseconds()), interrupted
	at, ok := r.w.(io.WriterAt)
	if !ok {
		return nil
	}
	line, err := json.Marshal(r.header)
	if err != nil {
		return fmt.Errorf("encoding the run header: %w", err)
	}
	if len(line) > r.room {
		return errors.New("the completed run header outgrew its room")
	}
	_, err = at.WriteAt(pad(line, r.room), 0)
	return err
}

// Header returns the header as it was written last.
func (r *Recorder) Header() Header { return r.header }

// writeLine hands a line and its end to the writer in one call, so that a kill leaves whole lines only.
func (r *Recorder) writeLine(line []byte) error {
	_, err := r.w.Write(append(line, '\n'))
	return err
}

// pad fills a line with blanks, which JSON allows, up to a length.
func pad(line []byte, length int) []byte {
	return append(line, bytes.Repeat([]byte{' '}, length-len(line))...)
}

// ReadRecords reads records.jsonl back. A last line without an end, as a killed run may leave, is dropped.
func ReadRecords(r io.Reader) (Header, []*Result, error) {
	var results []*Result
	header, err := EachRecord(r, func(result *Result) error {
		results = append(results, result)
		return nil
	})
	return header, results, err
}

// EachRecord reads records.jsonl as ReadRecords does and hands out one result after the other, so that a reader who needs no traces can drop
// them at once. An error of each ends the reading and is returned as it is.
func EachRecord(r io.Reader, each func(*Result) error) (Header, error) {
	var header Header
	reader := bufio.NewReaderSize(r, 1<<16)
	for number := 1; ; number++ {
		line, err := wholeLine(reader)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return header, fmt.Errorf("records, line %d: %w", number, err)
		}
		if number == 1 {
			if err := json.Unmarshal(line, &header); err != nil || header.Kind != "run" {
				return header, errors.New("records, line 1: want a run header")
			}
			if header.Schema > Schema {
				return header, fmt.Errorf("records have schema %d: this tool reads up to %d", header.Schema, Schema)
			}
			continue
		}
		result := new(Result)
		if err := json.Unmarshal(line, result); err != nil {
			return header, fmt.Errorf("records, line %d: %w", number, err)
		}
		if result.Kind != "result" {
			return header, fmt.Errorf("records, line %d: want a result, got the kind %q", number, result.Kind)
		}
		if err := each(result); err != nil {
			return header, err
		}
	}
	if header.Kind == "" {
		return header, errors.New("the records are empty")
	}
	return header, nil
}

// wholeLine reads one line with its end, within lineMax.
func wholeLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > lineMax {
			return nil, fmt.Errorf("longer than %d bytes", lineMax)
		}
		if err == nil {
			return line, nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return nil, err
		}
	}
}
