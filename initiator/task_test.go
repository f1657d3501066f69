package initiator

import "testing"

// A tag that is held is given to no other task, however often the tags of the other slots come round, and none is the reserved one.
func TestTagsGoRoundBesideOneThatIsHeld(t *testing.T) {
	var tt taskTable
	held := tt.add(taskSCSI, nil)
	for range 1 << 18 {
		other := tt.add(taskSCSI, nil)
		if other.itt == held.itt || other.itt == 0xffffffff || tt.find(other.itt) != other || tt.find(held.itt) != held {
			t.Fatalf("tag 0x%08x beside 0x%08x", other.itt, held.itt)
		}
		tt.retire(other, false)
	}
}
