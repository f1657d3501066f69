// Package simtarget is a simulated storage array: an iSCSI target after RFC 7143, recovery levels 0 to 2, sound by default.
//
// An Array is made from a Profile, which says as data what the array has (portals, targets, logical units) and how it behaves where the
// standard leaves a choice: whom it redirects, how many sessions it takes, what it negotiates. Profiles are YAML files; the ones that
// ship are embedded. What happens while it runs is told to it as data too: an Action makes it answer the next logins otherwise, hold
// commands, send Asynchronous Messages, drop connections, change its logical units, or forget everything.
//
// Behaviour that no sound array shows is a field of Deviations, consulted at the exact point where the array departs from the standard.
//
// The array takes listeners and knows neither clock nor network: it runs on TCP and in a testing/synctest bubble alike. One goroutine
// reads each connection and executes what it reads; a second one writes.
//
// # First use
//
//	profile, err := simtarget.Builtin("plain")
//	array, err := simtarget.New(profile, simtarget.Options{})
//	err = array.Start(simtarget.ListenLoopback) // Or the Listen of a host of package faults.
//	defer array.Close()
//	...
//	url := array.URLs()[0] // iscsi://127.0.0.1:40123/iqn.2026-01.io.iscsispec:plain/0
//	err = array.Apply(simtarget.Action{Drop: &simtarget.Drop{How: simtarget.EndRST}})
package simtarget
