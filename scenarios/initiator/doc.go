// Package initiator is the suite of wire checks of an iSCSI initiator: one check for a row of the catalogue's initiator part, in which
// the array is played by hand, PDU by PDU.
//
// A check is a function of a *T. T asks the initiator for operations through a Driver ([T.Start], [T.Do]), and takes its connections
// ([T.Accept]); a [Conn] is the array's side of one of them, which sends what it is told and answers housekeeping by itself. A session
// as the catalogue's BASE has it is one call, [T.Session].
//
// The own initiator is driven in a bubble, over the in-memory network, where the check proves itself on the row's deviation (Suite). An
// external one is a command that is run with the scripted target's URL (Against).
//
// CHECKS.md takes one row from the catalogue to a proven check.
package initiator
