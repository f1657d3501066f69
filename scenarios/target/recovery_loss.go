package target

import (
	"bytes"
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/scenarios/probe"
)

func freshLoginAfterLoss(t *T) {
	for _, same := range []bool{true, false} {
		name := map[bool]string{true: "the same ISID", false: "a new ISID"}[same]
		t.Part(name, func() {
			c := t.Open(probe.Login{})
			for range min(4, c.Session.Window()) {
				c.Start(t.Read(c, 0, 4096))
			}
			isid := c.Session.ISID
			// Where the transport cannot reset, a close is as abrupt.
			_ = c.Reset()
			if !same {
				isid = t.NewISID()
			}
			r := t.LoginWithin(probe.Login{ISID: &isid}, 10*time.Second)
			t.Survives(t.Granted(r), "the new session")
		})
	}
}

func acknowledgedDataStays(t *T) {
	t.Part("nothing under way", func() { t.lossAfterWrites(false) })
	t.Part("writes under way", func() { t.lossAfterWrites(true) })
}

// lossAfterWrites writes block after block until the connection is reset, and looks at what was acknowledged.
func (t *T) lossAfterWrites(busy bool) {
	c := t.Open(probe.Login{})
	unit, err := c.Capacity()
	t.Check(err, "the size of the logical unit")
	size := int(unit.BlockSize)
	n := int(min(100, unit.Blocks))
	old := t.Content(c, 0, n*size)
	block := func(i int) []byte { return pattern(uint32(100+i), size) }
	good := 0
	for stop := n/5 + int(t.Uint32()%uint32(n/2+1)); good < stop; good++ {
		t.Fill(c, uint32(good), block(good))
	}
	for i := good; busy && i < n && c.Session.Window() > 0; i++ {
		c.Start(t.Write(c, uint32(i), block(i)))
	}
	// Where the transport cannot reset, a close is as abrupt.
	_ = c.Reset()
	r := t.LoginWithin(probe.Login{}, retryTime)
	now := t.Content(t.Granted(r), 0, n*size)
	for i := range n {
		is, was := now[i*size:][:size], old[i*size:][:size]
		switch isNew := bytes.Equal(is, block(i)); {
		case !isNew && i < good:
			t.Fail(fmt.Sprintf("block %d of %d that were answered with GOOD does not hold what was written", i, good), "the data that was written")
		case !isNew && !bytes.Equal(is, was):
			t.Fail(fmt.Sprintf("block %d holds neither old nor new data", i), "old or new data")
		}
	}
}
