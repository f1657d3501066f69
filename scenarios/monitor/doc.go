// Package monitor listens: it holds any traffic against rules that are true of every lawful connection, whatever a check was about.
//
// Judge reads a trace, follows each connection from one of its ends, and returns at most one finding for each row of the catalogue: the first
// time that the row was broken, and how often it was. It looks at both sides, but speaks only about the side that is under test (Options.Judge).
// The other side may break rules on purpose, as a probe does. What it breaks takes the ground from under rules that
// rest on it: an initiator that uses a task tag twice leaves nothing to say about the answers. So each rule names what it rests on (its
// needs), each breach names what it spoils, and a rule whose ground is spoilt, or was never seen, is silent. Where a monitor cannot be sure, it
// says nothing.
//
// A Watcher is the same for events that arrive one after the other, such as those of a long capture: it keeps what is under way and no more.
//
// # First use
//
//	findings := monitor.Judge(outcome.Trace, monitor.Options{Judge: scenarios.RoleTarget, At: []string{trace.NodeProbe}})
package monitor
