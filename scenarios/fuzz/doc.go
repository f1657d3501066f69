// Package fuzz tries login flows that nobody wrote by hand: it draws legal, nearly legal and hostile ones, runs each against a peer, and
// judges what the peer did against the set of outcomes that a model of the login phase holds lawful.
//
// A [Flow] is plain data: several connections, on each a sequence of steps. It prints as one line and parses back to itself, so a flow that
// found something is its own replay line and can be kept as a file of testdata. A drawn flow comes from a [Choices], whatever that draws
// from: the shrinking generator of a property test, a seed, or the bytes of a fuzzing engine. The same choices make the same flow.
//
// A run is: draw a flow outside the bubble, run it, judge outside. The model follows step by step. It is a pure state machine:
// before a step it tells the outcomes that are lawful now, and the one that came decides where it goes on. Its states, its transitions, and
// each key with each [Class] of value are counted in a [Coverage]. What the model does not hold lawful is a [Finding], which names the row of
// the catalogue that it breaks and that row's clause. Leniencies of the catalogue are lawful here: a false alarm is worse than a missed
// fault.
//
// # The two roles
//
// A Flow has the [Role] of the peer that is judged, and the two roles share the vocabulary of this package: flows, steps, pairs and their
// templates, classes of values, outcomes, findings, coverage.
//
//   - [TargetRole]: the flow's steps are what a raw initiator sends (VerbLogin, VerbWalk, VerbCommand, ...), and a target is judged: files
//     target_*.go. A connection is one that this side dials.
//   - [InitiatorRole]: the flow's steps are what a scripted array answers (VerbAnswer and the cuts), and an initiator is judged: package
//     scripted. A connection is one that the initiator dials, counted in the order in which they come; what a connection has no steps
//     for is served as a sound array would.
//
// Each role has a generator (Draw...(Choices) Flow), a model, and a run. Shrinking is the same for both, since it works on steps.
package fuzz
