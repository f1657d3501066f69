package disk_test

import (
	"fmt"
	"log"

	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/simtarget/disk"
)

// A disk behind LUN 0 takes a write and gives the data back.
func Example() {
	unit, err := disk.New(disk.Config{Blocks: 2048})
	if err != nil {
		log.Fatal(err)
	}
	units := disk.NewInventory()
	units.Put(scsi.LUNOf(0), unit, false)

	data := make([]byte, 512)
	copy(data, "kept")
	for _, t := range []*disk.Task{{CDB: scsi.Write10(7, 1), DataOut: data}, {CDB: scsi.Read10(7, 1)}, {CDB: scsi.Read10(2048, 1)}} {
		if !units.Begin(scsi.LUNOf(0), t) {
			units.Execute(scsi.LUNOf(0), t)
		}
		if sense, err := scsi.ParseSense(t.Sense); err == nil {
			fmt.Println(t.Status, sense)
			continue
		}
		fmt.Printf("%v, %d bytes %.4q\n", t.Status, len(t.DataIn), t.DataIn)
	}
	// Output:
	// GOOD, 0 bytes ""
	// GOOD, 512 bytes "kept"
	// CHECK CONDITION ILLEGAL REQUEST 21/00 (LOGICAL BLOCK ADDRESS OUT OF RANGE)
}
