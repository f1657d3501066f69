package initiator

import (
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// shape is one way in which a write can be cut up.
type shape struct {
	blocks, segment, first, most int
	initialR2T, immediate        bool
}

// shapes are so many that each two values of different parameters meet, as far as FirstBurstLength may not exceed MaxBurstLength.
func shapes() (all []shape) {
	bursts := []int{512, 16384, 262144}
	// Bit n tells of shape n: a long first burst, InitialR2T=Yes, ImmediateData=Yes. They were drawn until all pairs met.
	const long, initialR2T, immediate = 0x1773, 0x4553, 0x1a9a
	for i, blocks := range []int{1, 8, 128, 2048, 2049} {
		for j, segment := range []int{512, 4096, 65536} {
			n := len(all)
			s := shape{blocks: blocks, segment: segment, most: bursts[(i+j)%3], initialR2T: initialR2T>>n&1 == 1, immediate: immediate>>n&1 == 1}
			s.first = 512
			if long>>n&1 == 1 {
				s.first = min(65536, s.most)
			}
			all = append(all, s)
		}
	}
	return all
}

func dataIntegrity(t *T) {
	for _, s := range shapes() {
		name := fmt.Sprintf("%d blocks, segments of %d, bursts of %d and %d, InitialR2T=%s, ImmediateData=%s", s.blocks, s.segment, s.first, s.most,
			text.FormatBool(s.initialR2T), text.FormatBool(s.immediate))
		t.PartWith(name, func(b *Base, _ *Settings) {
			p := &b.Params
			p.MaxRecvDataSegmentLength, p.FirstBurstLength, p.MaxBurstLength = s.segment, s.first, s.most
			p.InitialR2T, p.ImmediateData = s.initialR2T, s.immediate
		}, func() {
			c := t.Session()
			w := t.writes(c, Write{LBA: 7, Blocks: s.blocks})
			t.completes(c, w)
		})
	}
}

// nextDataOut returns the oldest Data-Out that waits, of whatever command.
func nextDataOut(c *Conn) (*pdu.DataOut, bool) {
	return probe.As[*pdu.DataOut](c.Await(0, func(e probe.Event) bool {
		_, is := probe.As[*pdu.DataOut](e)
		return is
	}))
}
