package initiator

import (
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"time"
)

// challenges is where the next attempt draws its CHAP challenge from. With a seed it is a function of the seed, the session and the
// instant, so that a run in virtual time can be replayed; without one, nil stands for the system's randomness.
func (s *managedSession) challenges() io.Reader {
	if s.m.seed == 0 {
		return nil
	}
	return rand.NewChaCha8(sha256.Sum256(fmt.Append(nil, s.schedule.key, "/", time.Now().UnixNano())))
}
