// Package scripted judges initiators: it is the fuzz.InitiatorRole of package fuzz. The steps of a fuzz.Flow are what a scripted array says,
// and the project's own initiator, under its session manager, is judged.
//
//	f, err := fuzz.Parse("initiator plain; 1 answer; 1 answer +MaxBurstLength=0")
//	findings, err := scripted.Run(t, f, nil)
//
// # The array
//
// It is sound, but for the steps of the flow. The connections that the initiator makes are numbered from 1 in the order of their dials,
// whatever the portal. Each fuzz.VerbAnswer answers the next Login Request of its connection, soundly where the step says nothing; when a
// connection's steps are used up, the rest of it is served soundly. Behind the final response the steps go on in full feature phase. A setup
// whose name ends in -loop repeats the steps of connection 1 for ever, on every connection.
//
// There is no network: a connection is a value that hands what the initiator writes to the array in the same call and lets the array's
// bytes arrive after a while of virtual time. So a run has no goroutines but the initiator's, and the same flow leaves the same record.
//
// # The judge
//
// A run leaves a record, and the judge reads it when the run is over. A model follows each login (type model): after each response it knows
// the set of lawful reactions, from the rules of RFC 7143, Sections 6, 12 and 13, in a table of its own. What the initiator does has to be
// in the set: it goes on, enters full feature phase, or ends the login for one of the reasons that the response gives, and reports one of
// them. Another model (type outages) follows the session: when and where each attempt begins, where redirects lead, and that one redirect
// that can be followed is. Over all of it hold: the session's ID and its ISID never change, no secret is sent, the parameters in force are
// those that were agreed, nothing is left behind and nothing hangs.
package scripted
