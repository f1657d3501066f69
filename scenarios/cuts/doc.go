// Package cuts cuts the link of an initiator at every place at which it can be cut, in every way, and holds the initiator and the simulated arrays to what
// must be so wherever that is.
//
// A [Scenario] is one of seven stories: login, discovery, read, write, logout, clone, redirect. A [Station] is an embedded array profile as a user would log in
// to it. A [Survey] runs a scenario before a station without cuts, lists the places of its subject (every border of a PDU and every class of bytes inside, see
// [faults.Places]), and makes a [Case] of each place and each of [Kinds]: reset, orderly end, silence in both directions and in each alone, and a PDU whose
// rest never comes. [Case.Do] runs it in a bubble of its own and judges it. [Survey.Pairs] lists second cuts in what follows a first one.
//
// The subject of a scenario is what it is about, not what leads there: the places of the first login are those of the scenario login, and read, write, logout
// and clone begin with a session that is 6 s old. The subject of redirect is the login after a loss, which begins at the advertised portal again.
//
// # Laws
//
// Wherever the link is cut: the run ends in time, and so do all goroutines (else the bubble tells of a deadlock). Every op and every request of the session
// manager ends exactly once, with a clear outcome. A session has one ID and one ISID from its login to its logoff, comes back by itself, and keeps
// its devices. A first login that fails leaves nothing behind, and the place is free. What was read is what was there; what was acknowledged is read again.
// After the logoff no session is left, here or at the array, once a silence is over and what the array retains has run out. A cut that never struck makes the
// case inconclusive.
//
// Where bytes vanish from a stream that lives on (truncate), a command may be left without an answer and time out; without digests nobody can tell garbage from
// PDUs, so what is answered meanwhile may be wrong, and only the rest is held: ends, IDs, a session that is well again 20 s after it was used, nothing left.
//
// # Several places, one run
//
// Places inside one PDU at which neither peer can tell how much has come are alike, and one run stands for all of them; see class in alike.go, and
// TestPlacesInsideAPDUAreAlike, which holds them against each other. Numbers of plans count each place, numbers of runs do not.
package cuts
