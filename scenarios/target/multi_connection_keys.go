package target

import (
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// anew logs in a further connection that offers keys which only the first login may negotiate. It is nil when that login was refused, which is
// lawful.
func (t *T) anew(c *probe.Conn, keys ...string) *probe.Conn {
	r := t.Login(probe.Login{Session: c.Session, Keys: Keys(keys...)})
	if declined(r) {
		t.Survives(c, "the first connection")
		// Without the keys the login has to be good: else the refusal was about something else.
		t.beside(c)
		return nil
	}
	second := t.Granted(r)
	for _, offered := range Keys(keys...) {
		answer, answered := r.Answer(offered.Key)
		switch {
		case answered && answer == text.Reject:
		case !answered:
			t.Warn(offered.Key+" of a further login has no answer.", r, offered.Key+"=Reject")
		default:
			t.Warn(offered.Key+" of a further login is answered "+answer+".", r, offered.Key+"=Reject")
		}
	}
	return second
}

func leadingOnlyKeys(t *T) {
	c := t.roomy()
	standing := c.Session.Params
	second := t.anew(c, "MaxConnections=1", "InitialR2T=Yes", "ErrorRecoveryLevel=0")
	if second == nil {
		return
	}
	if standing.MaxConnections > 2 {
		r := t.Login(probe.Login{Session: c.Session})
		if !r.Granted() {
			t.Fail(fmt.Sprintf("a third connection: %v", r), fmt.Sprintf("a third connection, since MaxConnections=%d stands", standing.MaxConnections))
		}
		t.Survives(r.Conn, "a third connection")
	}
	t.Survives(c, "the first connection")
	t.Survives(second, "the second connection")
}

// bursts ends the part when a READ comes in sequences that are shorter than MaxBurstLength allows.
func burstStays(t *T) {
	c := t.roomy("MaxBurstLength=65536")
	most := c.Session.Params.MaxBurstLength
	if most <= 512 {
		t.Skip("The target agrees to MaxBurstLength=%d.", most)
	}
	if t.anew(c, "MaxBurstLength=512") == nil {
		return
	}
	r := t.Done(c, t.Read(c, 0, t.room(c, 0, 64<<10)), "a READ on the first connection")
	sequence, longest := 0, 0
	for _, p := range r.Task.DataIns {
		sequence += len(p.Data)
		longest = max(longest, sequence)
		if p.Final {
			sequence = 0
		}
	}
	switch want := min(most, len(r.Data)); {
	case longest > most:
		t.Fail(fmt.Sprintf("a sequence of %d bytes", longest), fmt.Sprintf("at most MaxBurstLength=%d", most))
	case longest <= 512 && want > 512:
		t.Fail(fmt.Sprintf("sequences of at most %d bytes", longest), fmt.Sprintf("sequences up to MaxBurstLength=%d, which the first login settled", most))
	}
}

func digestsPerConnection(t *T) {
	for _, pair := range [][2]string{{"None", "CRC32C"}, {"CRC32C", "None"}} {
		t.Part(pair[0]+" beside "+pair[1], func() {
			c := t.roomy("HeaderDigest=" + pair[0])
			second := t.beside(c, "HeaderDigest="+pair[1])
			if c.Params.HeaderDigest == second.Params.HeaderDigest {
				t.Skip("The target does not agree to HeaderDigest=CRC32C on one of two connections.")
			}
			for range 2 {
				t.Survives(c, "the connection with HeaderDigest="+pair[0])
				t.Survives(second, "the connection with HeaderDigest="+pair[1])
			}
		})
	}
}

// longestData is the longest data segment of the Data-In PDUs that a connection has brought, in bytes.
func (t *T) longestData(c *probe.Conn) int {
	longest := 0
	for _, s := range t.Received(c) {
		if p, is := s.PDU.(*pdu.DataIn); is {
			longest = max(longest, len(p.Data))
		}
	}
	return longest
}

func segmentsPerConnection(t *T) {
	limits := []int{512, 8192}
	first := t.roomy("MaxRecvDataSegmentLength=512")
	for i, c := range []*probe.Conn{first, t.beside(first, "MaxRecvDataSegmentLength=8192")} {
		t.Done(c, t.Read(c, 0, t.room(c, 0, 64<<10)), "a READ")
		switch n := t.longestData(c); {
		case n > limits[i]:
			t.Fail(fmt.Sprintf("a Data-In with %d bytes on connection %d", n, i+1), fmt.Sprintf("at most MaxRecvDataSegmentLength=%d", limits[i]))
		case n <= 512 && i == 1:
			t.Warn("The limit of one connection holds on the other.", fmt.Sprintf("%d bytes", n), "up to 8192 bytes")
		}
	}
}

func segmentsByText(t *T) {
	first := t.roomy("MaxRecvDataSegmentLength=8192")
	second := t.beside(first, "MaxRecvDataSegmentLength=8192")
	answer := first.Text(Keys("MaxRecvDataSegmentLength=512"))
	if value, has := answer.Pairs.Get(text.KeyMaxRecvDataSegmentLength); !answer.Complete || has && value == text.Reject {
		t.Skip("The target does not take MaxRecvDataSegmentLength in full feature phase.")
	}
	n := t.room(first, 0, 64<<10)
	t.Done(second, t.Read(second, 0, n), "a READ on the other connection")
	if longest := t.longestData(second); longest <= 512 && n > 512 {
		t.Warn("A text of one connection limits the other.", fmt.Sprintf("%d bytes", longest), "up to 8192 bytes")
	}
	t.Done(first, t.Read(first, 0, n), "a READ on the connection of the text")
	if longest := t.longestData(first); longest > 512 {
		t.Fail(fmt.Sprintf("a Data-In with %d bytes", longest), "at most MaxRecvDataSegmentLength=512")
	}
}
