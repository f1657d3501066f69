package initiator

import (
	"errors"
	"testing"
)

func TestDeviationsByName(t *testing.T) {
	var d Deviations
	if err := d.Add("Queue.ReplayFinished"); err != nil || !d.Queue.ReplayFinished {
		t.Errorf("%v, %+v", err, d.Queue)
	}
	if err := d.Add("Reconnect.TickAfterSuccess"); err != nil || !d.Reconnect.TickAfterSuccess || !d.Queue.ReplayFinished {
		t.Errorf("%v: the second name has to add to the first", err)
	}
	for _, name := range []string{"", "Queue", "Queue.Nothing", "Devices.RemoveAfter", "ReplayFinished", "queue.replayfinished"} {
		err := d.Add(name)
		if unknown, ok := errors.AsType[*DeviationError](err); !ok || unknown.Name != name {
			t.Errorf("%q: %v, want a *DeviationError that names it", name, err)
		}
	}
}
