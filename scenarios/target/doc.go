// Package target is the suite of checks of an iSCSI target: one check for a row of the catalogue's target part.
//
// A check talks to its target through scenarios/probe alone, so it runs unchanged against the simulated array in a bubble, where it
// proves itself on the row's deviation (Suite), and against any target on TCP (Against). It is a function of a *T, which
// is a probe.Prober with a judge: every method of T that judges either returns, because what came is accepted, or notes a finding; those
// whose names promise something (Open, Granted, Survives) end the part of the check that called them when the promise is broken.
//
// CHECKS.md takes one row from the catalogue to a proven check.
package target
