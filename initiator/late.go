package initiator

import "sync"

// late tells requesters of what was decided outside of the reader and the writer, such as by Submit or Cancel, from a goroutine of its
// own and in order. The session's mutex guards it.
type late struct {
	list    completions
	running bool
	taken   uint64 // Lists taken by the goroutine,
	done    uint64 // and lists told to the end.
	told    sync.Cond
}

// decided returns the list to add to, and sees to it that it is told. The mutex is held.
func (s *Session) decided() *completions {
	if !s.late.running {
		s.late.running = true
		go s.runLate()
	}
	return &s.late.list
}

// runLate is the goroutine: it ends when there is nothing left to tell.
func (s *Session) runLate() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.late.list.first != nil {
		over := s.late.list
		s.late.list = completions{}
		s.late.taken++
		s.mu.Unlock()
		over.run()
		s.mu.Lock()
		s.late.done = s.late.taken
		s.late.told.Broadcast()
	}
	s.late.running = false
}

// wait waits until all that is decided now has been told. It does not wait for what is decided meanwhile: a requester that submits again at
// each failure must not keep a session from ending. The mutex is held, and released while waiting.
func (l *late) wait() {
	last := l.taken
	if l.list.first != nil {
		last++
	}
	for l.done < last {
		l.told.Wait()
	}
}
