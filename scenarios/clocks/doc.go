// Package clocks judges the three clocks of an initiator by the trace of a run: how its login attempts after a loss are spaced ([Cadence]),
// that a session stays the one it is ([Identity]), and when devices leave ([Removal]).
//
// The judges are pure functions of a trace and of [Terms]. They look at the events that define an interval, all of them the initiator's own
// doing (a connection asked for, a loss noticed, a device gone), so that the latency of a network is no part of what they measure: in
// virtual time the tolerance is zero. On the wall clock Terms.Tolerance says how far a machine may be late.
//
// # Which traces
//
// Any. [Sessions] puts together what a trace tells of each session:
//
//   - a run in memory has the session manager's own events beside the wire's;
//   - a trace recorded by a proxy, or by a simulated array, shows the wire alone, from the other end: sessions are then told apart by their
//     I_T nexus, there are no local IDs, and devices are not seen.
//
// What the wire does not show is not judged: whether an initiator that makes no attempt has given the session up, and when attempts were made
// while a portal was closed to all, or did not come through to a target that recorded. See [Session.Local].
//
// # First use
//
//	events, err := trace.ReadJSONL(file)
//	for _, f := range clocks.Judge(events, clocks.Guideline()) {
//		fmt.Println(f.Verdict, f.Reason)
//	}
package clocks
