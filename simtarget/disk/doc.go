// Package disk holds the logical units of a simulated array: sparse disks in memory, and the logical unit inventory that puts them
// behind LUNs.
//
// A target device (package simtarget) hands every SCSI command to an Inventory as a Task, in two steps, so that it can solicit write
// data in between: Begin looks at the command before any data move and may end it at once (a unit attention, a reservation conflict, an
// address out of range); Execute ends it. Residuals are the transport's business: a Task tells how many bytes the CDB asks for
// (Task.Length) and what the device presents (Task.DataIn).
//
// All state has one lock for each disk, held only while memory is looked at or copied, never while anything waits; the package neither
// starts goroutines nor looks at the time. It works alike inside and outside of a testing/synctest bubble.
package disk
