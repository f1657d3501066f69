package trace

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxLineBytes bounds one line of JSON: a whole PDU of the largest size in base64, and what is around it.
const maxLineBytes = 32 << 20

// LineError tells which line of a file of JSON lines is not an event.
type LineError struct {
	Line int // from 1
	Err  error
}

// Error names the line.
func (e *LineError) Error() string { return fmt.Sprintf("trace: line %d: %v", e.Line, e.Err) }

// Unwrap gives the reason.
func (e *LineError) Unwrap() error { return e.Err }

// WriteJSONL writes events as JSON, one a line. ReadJSONL gives the same events back.
func WriteJSONL(w io.Writer, events []Event) error {
	buffered := bufio.NewWriter(w)
	enc := json.NewEncoder(buffered)
	enc.SetEscapeHTML(false)
	for i := range events {
		if err := enc.Encode(&events[i]); err != nil {
			return fmt.Errorf("trace: event %d: %w", i, err)
		}
	}
	return buffered.Flush()
}

// ReadJSONL reads events to the end of r. Empty lines are skipped. A line that is no event, has an unknown field or is longer than 32 MiB
// gives a *LineError, along with the events before it.
func ReadJSONL(r io.Reader) (Events, error) {
	var events Events
	scan := bufio.NewScanner(r)
	scan.Buffer(make([]byte, 0, 64<<10), maxLineBytes)
	line := 0
	for scan.Scan() {
		line++
		text := bytes.TrimSpace(scan.Bytes())
		if len(text) == 0 {
			continue
		}
		e, err := decodeLine(text)
		if err != nil {
			return events, &LineError{Line: line, Err: err}
		}
		events = append(events, e)
	}
	if err := scan.Err(); err != nil {
		return events, &LineError{Line: line + 1, Err: err}
	}
	return events, nil
}

var errNoKind = errors.New("an event without a kind")

func decodeLine(text []byte) (Event, error) {
	var e Event
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&e); err != nil {
		return Event{}, err
	}
	if e.Kind == "" {
		return Event{}, errNoKind
	}
	if rest := bytes.TrimSpace(text[dec.InputOffset():]); len(rest) > 0 {
		return Event{}, fmt.Errorf("%.20q behind the event", rest)
	}
	return e, nil
}
