package reports

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/iscsispec/iscsispec/trace"
)

// The bounds of a Recording.
const (
	// RecordingLimitMin is the least that RecordingOptions.Limit may be, in bytes.
	RecordingLimitMin = 4 << 20
	// RecordingLimitDefault stands for a Limit of 0, in bytes.
	RecordingLimitDefault = 2 << 30
	// recordingParts is into how many parts the limit is cut; the oldest goes when another one is begun.
	recordingParts = 4
	// recordingQueueBytes and recordingQueueEvents are how much may wait for the files before connections wait.
	recordingQueueBytes  = 16 << 20
	recordingQueueEvents = 1 << 16
	// recordingDataMax is how much of one data segment is kept, in bytes.
	recordingDataMax = 1 << 20
)

// RecordingOptions say where a Recording goes.
type RecordingOptions struct {
	// Dir is the folder, made where it is not there yet. Files of earlier recordings stay: numbers go on behind them.
	Dir string
	// Limit bounds the files of this recording together, in bytes; 0 stands for RecordingLimitDefault.
	Limit int64
	// RealPorts shows portals at their own ports. Otherwise a portal at another port than 3260 is shown at that one, since dissectors know
	// iSCSI by it, and a comment tells the true port.
	RealPorts bool
	// Application is named in captures as what has recorded them; "" stands for "iscsispec serve".
	Application string
	// Notify, when set, is told what somebody who watches should know: that old parts are dropped, or that the recording has failed. It is
	// called from the goroutine that writes, once for each.
	Notify func(text string)
}

// Recording writes what happens at arrays, or at a proxy before them, to files while it happens: for each part a capture (capture-0001.pcapng), in which bytes and
// addresses are the true ones and Ethernet, IP and TCP around them are made up, and a trace (trace-0001.jsonl) as trace.ReadJSONL reads it.
//
// What has been handed to the files survives the death of the process: every batch of events is written as soon as the one before it is,
// whole packets and lines at a time. Memory is bounded: connections wait when the files cannot keep up. When a part has a quarter of the
// limit, the next one is begun, and beyond four the oldest goes. Each capture stands alone: a connection that goes on in a new part
// begins there with its handshake and its login once more. A failing disk ends the recording and nothing else.
type Recording struct {
	options RecordingOptions
	log     *trace.Log
	done    chan struct{} // closed when the writer has ended

	mu      sync.Mutex
	filled  sync.Cond
	room    sync.Cond
	queue   []trace.Event
	spare   []trace.Event
	bytes   int  // of the queue
	closing bool // no more is taken
	status  RecordingStatus

	// Of the writing goroutine.
	part    *recordingPart
	kept    []*recordingPart // oldest first, part included
	dropped bool             // it was told that parts are dropped
	number  int
	streams *live
}

// RecordingStatus tells how a recording stands.
type RecordingStatus struct {
	Dir     string
	Part    int    // the number of the part that is written
	Bytes   int64  // in the files that are kept
	Events  uint64 // written so far, parts that are gone included
	Dropped int    // parts that were taken away for the limit
	Err     error  // why the recording has ended early; nil while it goes on
}

// OpenRecording makes the folder and the first part, and begins to write.
func OpenRecording(o RecordingOptions) (*Recording, error) {
	if o.Limit == 0 {
		o.Limit = RecordingLimitDefault
	}
	if o.Limit < RecordingLimitMin {
		return nil, fmt.Errorf("reports: a recording of at most %d bytes, want %d or more", o.Limit, RecordingLimitMin)
	}
	o.Application = cmp.Or(o.Application, "iscsispec serve")
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("reports: recording: %w", err)
	}
	r := &Recording{options: o, done: make(chan struct{}), streams: newLive(o.RealPorts)}
	r.filled.L, r.room.L = &r.mu, &r.mu
	r.status.Dir = o.Dir
	r.log = trace.NewStreamLog(sink{r}, trace.Limits{MaxDataBytesPDU: recordingDataMax})
	if err := r.nextPart(); err != nil {
		return nil, err
	}
	go r.write()
	return r, nil
}

// Log is where arrays and taps record.
func (r *Recording) Log() *trace.Log { return r.log }

// Status tells how the recording stands.
func (r *Recording) Status() RecordingStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.status
}

// Close writes what waits and closes the files. It gives the error that has ended the recording early. Closing twice is lawful.
func (r *Recording) Close() error {
	r.mu.Lock()
	r.closing = true
	r.filled.Broadcast()
	r.room.Broadcast()
	r.mu.Unlock()
	<-r.done
	return r.Status().Err
}

// sink keeps the methods of trace.Sink out of the Recording's own.
type sink struct{ r *Recording }

// Take queues an event. Behind Close and behind a failure it is dropped.
func (s sink) Take(e trace.Event) {
	r := s.r
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closing || r.status.Err != nil {
		return
	}
	r.queue = append(r.queue, e)
	r.bytes += eventBytes(&e)
	r.filled.Signal()
}

// AwaitRoom waits until less waits than may.
func (s sink) AwaitRoom() {
	r := s.r
	r.mu.Lock()
	defer r.mu.Unlock()
	for (r.bytes > recordingQueueBytes || len(r.queue) > recordingQueueEvents) && !r.closing && r.status.Err == nil {
		r.room.Wait()
	}
}

func eventBytes(e *trace.Event) int {
	n := len(e.Raw)
	if e.PDU != nil {
		n += len(e.PDU.Data) + len(e.PDU.AHS)
	}
	return n
}

// write is the writing goroutine.
func (r *Recording) write() {
	defer close(r.done)
	for {
		batch, more := r.take()
		if err := r.writeBatch(batch); err != nil {
			r.fail(err)
			return
		}
		if !more {
			break
		}
	}
	if err := r.part.close(); err != nil {
		r.fail(err)
	}
}

// take waits for events; more is false when none will come behind them.
func (r *Recording) take() (batch []trace.Event, more bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.queue) == 0 && !r.closing {
		r.filled.Wait()
	}
	batch, r.queue, r.spare, r.bytes = r.queue, r.spare[:0], nil, 0
	r.room.Broadcast()
	return batch, len(batch) > 0 || !r.closing
}

// writeBatch puts events into the files, and hands the files to the system behind the last one.
func (r *Recording) writeBatch(batch []trace.Event) error {
	for i := range batch {
		if err := r.part.add(&batch[i], r.streams.take(&batch[i])); err != nil {
			return err
		}
		if r.part.written+r.part.waiting() < r.options.Limit/recordingParts {
			continue
		}
		if err := r.part.close(); err != nil {
			return err
		}
		if err := r.nextPart(); err != nil {
			return err
		}
	}
	if err := r.part.flush(); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status.Events += uint64(len(batch))
	r.status.Bytes = r.keptBytes()
	clear(batch)
	r.spare = batch[:0]
	return nil
}

// keptBytes sums what was written to the files that are kept.
func (r *Recording) keptBytes() int64 {
	n := int64(0)
	for _, p := range r.kept {
		n += p.written
	}
	return n
}

// nextPart begins a part, under the next free number, and takes the oldest away when there are too many.
func (r *Recording) nextPart() error {
	var part *recordingPart
	for {
		r.number++
		var err error
		part, err = newRecordingPart(&r.options, r.number, r.log.Start())
		if err == nil {
			break
		}
		if !errors.Is(err, os.ErrExist) {
			return fmt.Errorf("reports: recording: %w", err)
		}
	}
	r.part, r.kept = part, append(r.kept, part)
	r.streams.again()
	if err := part.begin(r.log.Now()); err != nil {
		part.abandon()
		return fmt.Errorf("reports: recording: %w", err)
	}
	dropped := 0
	for len(r.kept) > recordingParts {
		if err := r.kept[0].remove(); err != nil {
			return fmt.Errorf("reports: recording: %w", err)
		}
		r.kept = r.kept[1:]
		dropped++
	}
	r.mu.Lock()
	r.status.Part, r.status.Dropped = r.number, r.status.Dropped+dropped
	r.status.Bytes = r.keptBytes()
	r.mu.Unlock()
	if dropped > 0 && !r.dropped {
		r.dropped = true
		r.notify(fmt.Sprintf("the recording has reached its limit of %d bytes: from here on its oldest part goes when a new one is begun", r.options.Limit))
	}
	return nil
}

// fail ends the recording: nothing is taken any more, and nobody waits.
func (r *Recording) fail(err error) {
	r.part.abandon()
	r.mu.Lock()
	r.status.Err = err
	r.queue, r.bytes = nil, 0
	r.room.Broadcast()
	r.mu.Unlock()
	r.notify(fmt.Sprintf("the recording in %s has ended: %v", r.options.Dir, err))
}

func (r *Recording) notify(text string) {
	if r.options.Notify != nil {
		r.options.Notify(text)
	}
}

// partNames are the files of a part.
func partNames(dir string, number int) (capture, events string) {
	return filepath.Join(dir, fmt.Sprintf("capture-%04d.pcapng", number)), filepath.Join(dir, fmt.Sprintf("trace-%04d.jsonl", number))
}

// startNote is the first event of every part: the wall clock from which its instants count.
func startNote(number int, start time.Time, at time.Duration) trace.Event {
	return trace.Event{At: at, Kind: trace.KindNote, Node: trace.NodeTarget, Reason: "a part of a recording", Attrs: []trace.Attr{
		trace.A("part", number), trace.A("started", start.Format(time.RFC3339Nano)),
	}}
}
