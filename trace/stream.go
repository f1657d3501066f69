package trace

import "time"

// Sink is where a streaming Log puts its events.
type Sink interface {
	// Take is handed every event once, in the order of their instants. It must not wait: the Log's lock is held.
	Take(e Event)
	// AwaitRoom returns when Take may be handed more. Taps call it after each read and before each write, with no lock held, so that a
	// slow sink slows the connections down and neither grows nor loses events.
	AwaitRoom()
}

// NewStreamLog returns a Log whose clock starts now and which keeps no event: each goes to the sink. Of the limits only MaxDataBytesPDU
// counts. Events and Len find nothing.
func NewStreamLog(s Sink, l Limits) *Log {
	return &Log{start: time.Now(), limits: l.orDefault(), sink: s}
}

// awaitRoom waits for the sink, where there is one.
func (l *Log) awaitRoom() {
	if l.sink != nil {
		l.sink.AwaitRoom()
	}
}
