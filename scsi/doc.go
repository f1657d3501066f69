// Package scsi holds the SCSI vocabulary that a disk needs: command descriptor blocks, status codes, sense data, logical
// unit numbers, and the parameter data of INQUIRY (standard data and vital product data), REPORT LUNS, READ CAPACITY and
// MODE SENSE.
//
// Builders are named after the command and hand out a new command descriptor block (CDB): Inquiry, Read10, Write16.
// ParseCommand is their inverse. Parameter data are structs with an Append method for the device's side and a Parse function
// for the application client's side. All of it is pure: no I/O, no time, no state. Integers on the wire are big-endian.
//
// Clauses named here are those of SPC-4 (primary commands), SBC-3 (block commands) and SAM-5 (architecture).
//
// # First use
//
//	cdb := scsi.Read10(2048, 8)               // 8 blocks from block 2048 on
//	lun := uint64(scsi.LUNOf(5))              // in wire form
//	sense, err := scsi.ParseSense(response)   // sense.Key, sense.Code: ILLEGAL REQUEST, 21/00 ...
//	page, err := scsi.ParseVPD(data, scsi.VPDDeviceIdentification)
//	designators, err := page.Designators()
package scsi
