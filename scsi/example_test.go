package scsi_test

import (
	"fmt"

	"github.com/iscsispec/iscsispec/scsi"
)

// A command is a slice of bytes, and reads back as what it asks for.
func ExampleRead10() {
	cdb := scsi.Read10(2048, 8)
	fmt.Printf("% x\n", cdb)
	c, err := scsi.ParseCommand(cdb)
	if err != nil {
		fmt.Println(err)
		return
	}
	direction, bytes := c.Transfer(512)
	fmt.Println(c.Opcode, c.LBA, c.Blocks, direction, bytes)
	// Output:
	// 28 00 00 00 08 00 00 00 08 00
	// READ(10) 2048 8 data-in 4096
}

// Sense data say why a command failed.
func ExampleParseSense() {
	data := scsi.NewSense(scsi.UnitAttention, scsi.LUNsDataChanged).Append(nil)
	sense, err := scsi.ParseSense(data)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(sense)
	// Output: UNIT ATTENTION 3F/0E (REPORTED LUNS DATA HAS CHANGED)
}

// VPD page 83h tells which unit this is, on whatever path.
func ExampleVPD_Designators() {
	page := scsi.VPD{Page: scsi.VPDDeviceIdentification, Body: scsi.NAADesignator([]byte{0x50, 0, 0xc5, 0, 1, 2, 3, 4}).Append(nil)}
	parsed, err := scsi.ParseVPD(page.Append(nil), scsi.VPDDeviceIdentification)
	if err != nil {
		fmt.Println(err)
		return
	}
	list, err := parsed.Designators()
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, d := range list {
		fmt.Printf("type %d: %x\n", d.Type, d.Identifier)
	}
	// Output: type 3: 5000c50001020304
}

// On the wire a LUN has eight bytes, whose form depends on the number.
func ExampleLUNOf() {
	for _, n := range []uint32{0, 5, 300} {
		fmt.Printf("%d is %016x\n", n, uint64(scsi.LUNOf(n)))
	}
	// Output:
	// 0 is 0000000000000000
	// 5 is 0005000000000000
	// 300 is 412c000000000000
}
