package simtarget

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/simtarget/disk"
)

// newTarget makes the logical units of a target.
func newTarget(spec Target, groups *disk.PortGroups) (*target, error) {
	t := &target{Target: spec, units: disk.NewInventory(), disks: map[uint32]*disk.Disk{}, owner: spec.Owner, groups: groups}
	for _, lun := range spec.LUNs {
		if err := t.put(lun); err != nil {
			return nil, errors.Join(err, t.closeAll())
		}
	}
	return t, nil
}

// put makes a logical unit, in place of one of the same number.
func (t *target) put(spec LUN) error {
	config := t.config(spec)
	config.PortGroups = t.groups
	if err := config.Validate(); err != nil {
		return fmt.Errorf("target %s, logical unit %d: %w", t.Name, spec.Number, err)
	}
	t.close(spec.Number) // so that a file is free for its successor
	d, err := disk.New(config)
	if err != nil {
		return fmt.Errorf("target %s, logical unit %d: %w", t.Name, spec.Number, err)
	}
	t.units.Put(scsi.LUNOf(spec.Number), d, false)
	t.disks[spec.Number] = d
	return nil
}

// config says what the disk of a logical unit is made from.
func (t *Target) config(spec LUN) disk.Config {
	blockSize := spec.BlockSize
	if blockSize == 0 {
		blockSize = 512
	}
	config := disk.Config{
		Blocks: uint64(spec.Size) / uint64(blockSize), BlockSize: blockSize, ReadOnly: spec.ReadOnly, Sequential: spec.Sequential,
		Identity: disk.Identity{Serial: spec.Serial, Revision: spec.Revision},
		Store:    disk.Store{Kind: spec.Store, Path: spec.Path}, MaxStoredBytes: int64(spec.MaxStored),
		PhysicalExponent: spec.PhysicalExponent, Thick: spec.Thick, Removable: spec.Removable,
	}
	if spec.Serial == "" {
		config.Identity.Serial = fmt.Sprintf("%016x", disk.LocalNAA(fmt.Sprintf("%s/%d", t.Name, spec.Number)))
	}
	if !spec.Blank && spec.Store != disk.StoreFile {
		config.Content = disk.Pattern{}
	}
	return config
}

// close gives back what a logical unit holds. What a file did not take any more is lost, as with a device that loses its power.
func (t *target) close(number uint32) {
	if d := t.disks[number]; d != nil {
		_ = d.Close()
		delete(t.disks, number)
	}
}

// closeAll gives back what all logical units hold, and returns what went wrong with that.
func (t *target) closeAll() error {
	var errs []error
	for _, number := range slices.Sorted(maps.Keys(t.disks)) {
		errs = append(errs, t.disks[number].Close())
	}
	return errors.Join(errs...)
}
