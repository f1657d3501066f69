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
//
// # First use
//
//	unit, err := disk.New(disk.Config{Blocks: 131072})
//	units := disk.NewInventory()
//	units.Put(scsi.LUNOf(0), unit, false)
//	task := &disk.Task{CDB: scsi.Read10(0, 8)}
//	if !units.Begin(scsi.LUNOf(0), task) {
//		units.Execute(scsi.LUNOf(0), task)
//	}
//	// task.Status, task.Sense, task.DataIn
package disk
