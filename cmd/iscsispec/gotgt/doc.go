// Package gotgt runs the target github.com/gostor/gotgt, version 0.2.2, as a second, independent peer for the target suite. It shares no
// code with this project, so it shows mistakes that our own codec and target would make together.
//
// gotgt keeps process-wide singletons, logs through a global logger and calls os.Exit. So it runs only in a child process: the program
// starts its own executable again with the argument Verb, which must lead to Main. Start does that and waits until the child accepts
// connections. Nothing but this package imports gotgt.
//
// gotgt listens on every interface of the machine and its configuration has no bind address. On Linux the child ties the listening
// socket to the loopback device right after it is made; elsewhere, or where the kernel refuses, the target can be reached from
// outside for as long as the child runs, without authentication. Child.LoopbackOnly tells which of the two it is.
package gotgt

// Verb is the hidden first argument with which the program's executable becomes the child.
const Verb = "gotgt-child"

// TargetName is the iSCSI name of the child's only target.
const TargetName = "iqn.2026-11.io.github.iscsispec:gotgt"
