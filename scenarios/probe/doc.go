// Package probe is an initiator-side peer that can break every rule, for checks of targets.
//
// A Prober belongs to one run of one check. It dials, remembers every connection and session, and ends them all in Close,
// with a logout where that is still polite. A Conn sends what it is told: a typed PDU with the bookkeeping filled in, the same
// PDU patched, a Frame with lying lengths or digests, or raw bytes. Whatever can then happen is an Event: a PDU, nothing
// within the time, a close, a reset, bytes that are no PDU.
//
// The catalogue's words are functions here: new-session and std-login (Login, Walk), probe (Conn.Probe, Conn.Ping), silence
// (Conn.AwaitSilence), drop (Conn.AwaitDrop), clearing unit attentions, READ and WRITE of n bytes, SendTargets, Logout.
// Ignored noise is passed over by Conn.Next: unsolicited NOP-In, which is answered, and SCSI-event Async Messages.
//
// Waiting is done with timers, so that all of it works in a testing/synctest bubble as well as over TCP. A Prober and all
// that it hands out belong to one goroutine.
package probe
