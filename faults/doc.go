// Package faults is the network of a simulated run, and everything that can go wrong with it.
//
// [Network] is an in-memory network for testing/synctest bubbles: hosts dial and listen on it, and what they get is a net.Conn that
// behaves as TCP does, with deadlines, half-close, resets, a bounded window with back-pressure, refused and unanswered connection
// requests. It uses nothing but timers, condition variables and short critical sections, so a goroutine that waits on it is durably
// blocked.
//
// # Instants
//
// The unit of delivery is the PDU: the network follows each connection with a [pdu.Dialogue] and hands over one PDU at a time, however many were
// written at once. What a Write leaves unfinished is handed over as a fragment when that Write ends. Every delivery, reset, end of stream and
// answered connection request happens at an instant of its own: each end of a connection owns a lane, a residue of the nanosecond
// clock, and all that reaches this end happens on its lane. Latency and jitter are drawn from the seed, the name of the connection, the
// direction and the number of the delivery, never from the order of calls. A bubble's clock moves only while all its goroutines wait, so
// each delivery is worked off before the next one, and the same seed leaves the same trace byte for byte. The instants of [Grain] are
// left to others, so that a timer armed for a whole millisecond never ties with a delivery.
//
// # Names
//
// A connection is called after the portal that was dialled and the number of the dial, counted from 1 over successful and failed ones:
// "10.0.0.1:3260#2". Both ends share the name. A [Scope] says what a fault touches: everything, a portal, one connection, or a host.
//
// # Faults
//
// A [Fault] is a value with one text form that [Parse] reads back: an instant or a protocol position, and what happens there.
//
//	reset:portal=10.0.0.1:3260,at=12s          both ends see a reset at 12 s
//	reset:pdu=login-response,nth=3,byte=20     20 bytes of the third Login Response arrive, nothing after them, then a reset
//	refuse:portal=*,at=0s,for=60s              every connection request is refused for a minute
//	silence:dir=to-initiator,at=3s             what the target sends is held back from 3 s on
//	heal:at=60s                                normal service again
//
// A [Plan] is a list of them; [Network.Run] puts a plan into force and counts what really fired, since a fault that never fired has proved
// nothing.
//
// # Trace
//
// The network records "dial", "dial-failed" and "accepted" for connections, "link" for every change of service, and "fault" for every planned
// fault that fired. A "link" event with a portal in To has State listening, refuse, silent, heal or down; one with Conn set has State cut when
// a fault ends the connection, and reset or fin when the end reaches a host (named in To). Both ends of each connection are tapped, so
// PDUs appear as sent and as received.
//
// # First use
//
//	network := faults.NewNetwork(seed, log, faults.Options{})
//	defer network.Close()
//	listener, err := network.Host("array", "10.0.0.9").Listen("10.0.0.1:3260")
//	conn, err := network.Host("host", "10.0.0.2").DialContext(ctx, "tcp", "10.0.0.1:3260")
//	...
//	plan, err := faults.ParsePlan("reset:at=12s\nrefuse:at=12s,for=60s")
//	injection, err := network.Run(plan)
package faults
