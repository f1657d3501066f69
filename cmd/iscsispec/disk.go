package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/scsi"
)

// diskOptions are the flags of read and write.
type diskOptions struct {
	connectOptions
	offset byteCount
	depth  int
}

func (o *diskOptions) addDiskFlags(cmd *cobra.Command) {
	o.addFlags(cmd)
	cmd.Flags().Var(&o.offset, "offset", "where to begin")
	cmd.Flags().IntVar(&o.depth, "depth", 8, "commands under way at once; 1 for targets that lose commands")
}

// checkUnit refuses a URL that does not name a unit: whose bytes are meant is never guessed.
func (o *diskOptions) checkUnit(u iscsi.URL) error {
	if u.Target == "" || !u.HasLUN {
		return usageError("%s: want a URL with target and LUN; iscsispec luns lists them", plainURL(u))
	}
	if o.depth < 1 || o.depth > 128 {
		return usageError("--depth %d: want 1 to 128", o.depth)
	}
	return o.check()
}

// withDisk is withSession for a verb that moves bytes.
func (o *diskOptions) withDisk(cmd *cobra.Command, u iscsi.URL, f func(context.Context, *initiator.Disk) error) error {
	return o.withSession(cmd, u, func(ctx context.Context, s *initiator.Session) error {
		disk, err := initiator.OpenDisk(ctx, s, uint64(scsi.LUNOf(uint32(u.LUN))), initiator.DiskOptions{Depth: o.depth})
		if err != nil {
			return err
		}
		err = f(ctx, disk)
		if o.depth > 1 && errors.Is(err, initiator.ErrTimeout) {
			err = fmt.Errorf("%w (should the target lose commands that overlap, try --depth 1)", err)
		}
		return err
	})
}
