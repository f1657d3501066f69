// Package lifecycle measures what an initiator outside does when its link is cut: an initiator that is a command line is run before a simulated array
// behind a proxy, its session is cut in several ways, and what it does then is read from the wire.
//
// Much of that is policy and no law: when the first attempt comes, how attempts are spaced, whether there are any. A [Measurement] tells it and judges
// nothing but what RFC 7143 says: [Measurement.Findings].
//
// The array holds one command of each session unanswered, so that the initiator has something to come back for, and the cut comes then. What follows
// is watched until the initiator is back, or has ended, or Options.Watch has passed: a measurement takes no longer than Reach + Watch + 5 s.
package lifecycle
