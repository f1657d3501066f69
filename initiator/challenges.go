package initiator

import (
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/chap"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

// challenges is where the next attempt draws its CHAP challenge from. With a seed it is a function of the seed, the session, the count of
// its attempts and the instant, so that a run in virtual time can be replayed and no challenge comes twice; without one, nil stands for the
// system's randomness.
func (s *managedSession) challenges() io.Reader {
	if s.m.seed == 0 {
		return nil
	}
	return &turns{from: rand.NewChaCha8(sha256.Sum256(fmt.Append(nil, s.schedule.key, "/", uint64(s.id), "/", s.tries, "/", time.Now().UnixNano())))}
}

// turns lets the logins of a session's connections, which may be under way at once, draw from one source.
type turns struct {
	mu   sync.Mutex
	from io.Reader
}

func (t *turns) Read(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.from.Read(b)
}

// challengeBook knows the challenges to targets that logins under way have sent. A target that answers with one of them on another
// connection wants this initiator to prove the target's identity for it (RFC 7143, Section 9.2.1). A nil book knows none. It may be used
// from any goroutine; it is bounded by the logins that are under way at a time.
type challengeBook struct {
	mu      sync.Mutex
	waiting map[string]int
	// responses serves deviations that repeat what they have said before.
	responses map[string]string
}

// open enters a challenge.
func (b *challengeBook) open(challenge []byte) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.waiting == nil {
		b.waiting = make(map[string]int)
	}
	b.waiting[string(challenge)]++
}

// close takes a challenge out again.
func (b *challengeBook) close(challenge []byte) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.waiting[string(challenge)]--; b.waiting[string(challenge)] <= 0 {
		delete(b.waiting, string(challenge))
	}
}

// sent reports whether a challenge is one of those.
func (b *challengeBook) sent(challenge []byte) bool {
	if b == nil {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.waiting[string(challenge)] > 0
}

// repeat puts the response into message that a deviating initiator gave to key before, or remembers the one that is there.
func (b *challengeBook) repeat(key string, message text.Pairs) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.responses == nil {
		b.responses = make(map[string]string)
	}
	for i := range message {
		if message[i].Key != chap.KeyResponse {
			continue
		}
		if before, found := b.responses[key]; found {
			message[i].Value = before
		}
		b.responses[key] = message[i].Value
	}
}
