package simtarget

import (
	"fmt"

	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/simtarget/disk"
)

// newTarget makes the logical units of a target.
func newTarget(spec Target) (*target, error) {
	t := &target{Target: spec, units: disk.NewInventory(), disks: map[uint32]*disk.Disk{}}
	for _, lun := range spec.LUNs {
		if err := t.put(lun); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// put makes a logical unit, in place of one of the same number.
func (t *target) put(spec LUN) error {
	blockSize := spec.BlockSize
	if blockSize == 0 {
		blockSize = 512
	}
	config := disk.Config{
		Blocks: uint64(spec.Size) / uint64(blockSize), BlockSize: blockSize, ReadOnly: spec.ReadOnly, Sequential: spec.Sequential,
		Identity: disk.Identity{Serial: spec.Serial, Revision: spec.Revision},
	}
	if spec.Serial == "" {
		config.Identity.Serial = fmt.Sprintf("%016x", disk.LocalNAA(fmt.Sprintf("%s/%d", t.Name, spec.Number)))
	}
	if !spec.Blank {
		config.Content = disk.Pattern{}
	}
	d, err := disk.New(config)
	if err != nil {
		return fmt.Errorf("target %s, logical unit %d: %w", t.Name, spec.Number, err)
	}
	t.units.Put(scsi.LUNOf(spec.Number), d, false)
	t.disks[spec.Number] = d
	return nil
}
