package trace_test

import (
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"github.com/iscsispec/iscsispec/trace"
)

// Events are recorded, sorted, asked, and written a line each.
func Example() {
	l := trace.NewLog()
	l.RecordAt(trace.Event{At: 2 * time.Second, Kind: trace.KindSession, Node: trace.NodeInitiator, Session: 1, State: "reconnecting", Was: "connected"})
	l.RecordAt(trace.Event{At: time.Second, Kind: trace.KindLink, Node: trace.NodeNetwork, State: trace.LinkCut, To: "*"})

	events := l.Events()
	lost := events.OfKind(trace.KindSession).Where(func(e *trace.Event) bool { return e.State == "reconnecting" })
	fmt.Println("lost", len(lost), "after", lost[0].At-events[0].At)
	if err := trace.WriteJSONL(os.Stdout, events); err != nil {
		log.Fatal(err)
	}
	// Output:
	// lost 1 after 1s
	// {"at":1000000000,"kind":"link","node":"network","to":"*","state":"cut"}
	// {"at":2000000000,"kind":"session","node":"initiator","session":1,"state":"reconnecting","was":"connected"}
}

// What was written is read back without loss.
func ExampleReadJSONL() {
	events, err := trace.ReadJSONL(strings.NewReader(`{"at":1000000,"kind":"note","reason":"first"}` + "\n"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(events[0].At, events[0].Reason)
	// Output: 1ms first
}
