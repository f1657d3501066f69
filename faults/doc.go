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
// A [Fault] is a value with one text form that [Parse] reads back: what happens, to whom, and when or where in the protocol.
//
//	reset:portal=10.0.0.1:3260,at=12s          both ends see a reset at 12 s
//	reset:pdu=login-response,nth=3,byte=20     20 bytes of the third Login Response arrive, nothing after them, then a reset
//	refuse:at=0s,for=1m0s                      every connection request is refused for a minute
//	silence:dir=to-initiator,at=3s             what the target sends is held back from 3 s on
//	move:portal=10.0.0.1:3260,at=5s,to=10.0.0.2:3260
//	                                           10.0.0.1 has gone to the machine that listens at 10.0.0.2
//	heal:at=1m0s                               normal service again
//
// The [Verb] constants say what each does and whether it is timed, placed or either. A timed fault happens at an instant (at=), for a while (for=) and
// again (every=, times=). A placed fault strikes PDUs: by name and direction, by what is in them (if=, a [Predicate]), the nth of those and then each so
// many or by chance, at a [Position] in their bytes:
//
//	reset:at=10s,every=30s,times=20            a link that flaps
//	refuse:at=0s,for=2s,every=10s              and a portal that does, for ever
//	drop:pdu=scsi-response,if=status=0x2,nth=2,each=1
//	                                           every CHECK CONDITION from the second on
//	corrupt:pdu=data-in,chance=0.01,byte=data+7,bit=0
//	                                           one Data-In in a hundred, by the seed, has the first bit of its eighth byte of data inverted
//	silence:dir=to-initiator,pdu=login-request,if=csg=1&key.HeaderDigest,byte=end
//	                                           no answer to the Login Request that offers header digests; dir is what falls silent
//
// A [Plan] is a list of faults, which may touch the same connection and the same PDU. [Network.Run] puts a plan into force and counts what really
// fired ([Count]); [Injection.Unfired] lists the faults that never did, since a fault that never fired has proved nothing. [Places] and [CutKinds] enumerate
// where and how the connections of a recorded run could be cut.
//
// What does not depend on the in-memory network serves other carriers too, so that a text means the same on each: [Armed] tells which PDUs a placed fault
// strikes, [Position.Locate] where, [Carve] what becomes of the bytes, [Fault.Occurrence] when a timed fault begins, [Scope.Touches] and [Scope.Covers] whom
// it concerns.
//
// In memory, a throttle, a delay and a pause of a split hold for the direction's later deliveries too: bytes never overtake each other. When a silence, a
// stall or a blackhole ends, what was held back arrives in order, as after TCP's retransmission; a reset that was held back does not. Of a PDU for which a
// predicate is still to be decided, nothing is delivered until enough of it was written, or its sender ends the stream.
//
// # Trace
//
// The network records "dial", "dial-failed" and "accepted" for connections, "link" for every change of service, and "fault" for every planned
// fault that fired, as often as [Count] says. A "link" event with a portal in To has State listening, refuse, silent, heal, down or moved; one with Conn
// set has State cut when a fault ends the connection, and reset or fin when the end reaches a host (named in To). Both ends of each
// connection are tapped, so PDUs appear as sent and as received.
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
