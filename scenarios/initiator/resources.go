package initiator

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"time"

	ini "github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/scenarios"
)

// resourceChecks are those of the group robustness about what an initiator gives back.
func resourceChecks() []Check {
	return []Check{{ID: "robust.resource-return", Limits: scenarios.Limits{Run: 2 * time.Hour}, Run: resourcesReturn,
		Defects: []func(*ini.Deviations){func(d *ini.Deviations) { d.Logout.LeavesSocketOpen = true }}}}
}

// Cycles of resourcesReturn: few enough for the trace, which keeps every PDU, and many more than one, so that what is left behind by each
// of them is no rounding.
const (
	loginCycles = 100
	severCycles = 100
)

// held is what an initiator at rest has: connections as the array sees them, the listings of the session manager, and goroutines.
type held struct {
	Connections, Sessions, Devices, Waiting, Goroutines int
}

// held counts what the initiator has. In a bubble nobody else starts goroutines, and those of the array's ended connections are gone.
func (t *T) held() held {
	t.Serve(time.Second)
	var h held
	for _, c := range t.conns {
		if _, ended := c.Ended(); !ended {
			h.Connections++
		}
	}
	for _, s := range t.ListSessions() {
		h.Sessions++
		h.Waiting += s.Queued + s.InFlight
	}
	h.Devices = len(t.ListDevices())
	t.breathe() // Those that brought the listings have ended.
	h.Goroutines = t.goroutines()
	return h
}

// stacksMax bounds a dump of all goroutines, in bytes.
const stacksMax = 64 << 20

// goroutines counts those of the run's own bubble, which the head of each stack in a dump names: other checks run in other bubbles meanwhile.
func (t *T) goroutines() (count int) {
	dump := make([]byte, 1<<20)
	n := runtime.Stack(dump, true)
	for n == len(dump) && n < stacksMax {
		dump = make([]byte, 2*n)
		n = runtime.Stack(dump, true)
	}
	own := ""
	for stack := range bytes.SplitSeq(dump[:n], []byte("\n\n")) {
		head, _, _ := strings.Cut(string(stack), "\n")
		_, bubble, _ := strings.Cut(head, "synctest bubble ")
		bubble = strings.TrimRight(bubble, "]:") // "[select (durable), synctest bubble 7]:"
		if own == "" {
			own = bubble // The first is the one that asks.
		}
		if bubble == own {
			count++
		}
	}
	return count
}

// returned fails unless the initiator has as much as before.
func (t *T) returned(after string, before held) {
	if now := t.held(); now != before {
		t.Fail(fmt.Sprintf("%+v after %s", now, after), fmt.Sprintf("%+v, as before", before))
	}
}

func resourcesReturn(t *T) {
	if !t.Own() || !t.Virtual() {
		t.Skip("NOT-TESTABLE: what an initiator keeps shows in its own process alone.")
	}
	t.Good(Login{})
	t.Good(Logout{}) // What is made once and kept is there from now on.
	idle := t.held()
	t.Equal("sessions, connections and devices without a login", idle.Sessions+idle.Connections+idle.Devices, 0)
	for range loginCycles {
		t.Good(Login{})
		t.Probe()
		t.Good(Logout{})
	}
	t.returned(fmt.Sprintf("%d logins and logouts", loginCycles), idle)

	t.Good(Login{})
	t.Serve(settled)
	connected := t.held()
	for range severCycles {
		t.latest().Sever()
		t.Probe() // It waits for the session to come back.
		t.Serve(ini.DefaultReconnectInterval)
	}
	t.returned(fmt.Sprintf("%d severed links", severCycles), connected)
	t.Good(Logout{})
	t.returned("the logout", idle)
}
