package initiator

import (
	"context"
	"errors"
	"fmt"

	"github.com/iscsispec/iscsispec/scsi"
)

// Query sends one command that reads at most length bytes, and returns what came. It is repeated a few times while a unit
// attention or a busy unit keeps the answer back. A status other than GOOD is *StatusError; what came short of the target's own count is
// returned beside the *IncompleteError, since parameter data tell their length themselves.
func (s *Session) Query(ctx context.Context, lun uint64, cdb []byte, length int) ([]byte, error) {
	r := &Request{LUN: lun, CDB: cdb, Read: make([]byte, length)}
	for again := 0; ; again++ {
		if err := s.Do(ctx, r); err != nil {
			var short *IncompleteError
			if errors.As(err, &short) {
				return r.Read[:short.Got], err
			}
			return nil, err
		}
		if scsi.Status(r.Status) == scsi.StatusGood {
			return r.Read[:r.Transferred], nil
		}
		if !passing(r) || again == repeatsMax {
			return nil, statusError(r)
		}
	}
}

// ReadCapacity sends a READ CAPACITY(10) and, if the unit is larger than that can say, a READ CAPACITY(16).
func (s *Session) ReadCapacity(ctx context.Context, lun uint64) (blocks uint64, blockSize uint32, err error) {
	return readCapacity(func(cdb []byte, length int) ([]byte, error) { return s.Query(ctx, lun, cdb, length) })
}

// readCapacity asks in the short form, and in the long one where that does not suffice.
func readCapacity(ask func(cdb []byte, length int) ([]byte, error)) (blocks uint64, blockSize uint32, err error) {
	data, err := ask(scsi.ReadCapacity10(), scsi.Capacity10Length)
	if err != nil {
		return 0, 0, err
	}
	small, err := scsi.ParseCapacity10(data)
	if err != nil || !small.TooLarge() {
		return uint64(small.LastLBA) + 1, small.BlockSize, err
	}
	data, err = ask(scsi.ReadCapacity16(scsi.Capacity16Length), scsi.Capacity16Length)
	if err != nil {
		return 0, 0, err
	}
	large, err := scsi.ParseCapacity16(data)
	return large.LastLBA + 1, large.BlockSize, err
}

// UnitInfo describes one logical unit as a session sees it.
type UnitInfo struct {
	// LUN is in wire form (scsi.LUN).
	LUN uint64
	// Identity is what the unit says that it is.
	Identity Identity
	// Type is the peripheral device type (0 disk, 1 tape).
	Type byte
	// Revision is the product revision level.
	Revision string
	// Blocks and BlockSize are the capacity; both 0 where the unit has none to tell.
	Blocks    uint64
	BlockSize uint32
}

// Units asks the target which logical units it has and what they are, in the order of its answer to REPORT LUNS. What a unit
// refuses to tell is left out, and so are LUNs without a unit. The errors are those of the session.
func (s *Session) Units(ctx context.Context) ([]UnitInfo, error) {
	e := enumeration{target: s.Info().TargetName, ask: func(q question) reply { return askSession(ctx, s, q) }}
	if err := e.run(); err != nil {
		return nil, err
	}
	units := make([]UnitInfo, 0, len(e.units))
	for _, u := range e.units {
		units = append(units, UnitInfo{
			LUN: u.lun, Identity: u.identity, Type: byte(u.data.DeviceType), Revision: u.data.Revision,
			Blocks: u.blocks, BlockSize: u.blockSize,
		})
	}
	return units, nil
}

// passing reports whether a command that was answered may be repeated as it is.
func passing(r *Request) bool {
	sense, _ := scsi.ParseSense(r.Sense)
	return reply{status: scsi.Status(r.Status), sense: sense}.passing()
}

// statusError is the error of a command that was not GOOD. It keeps a copy of the sense data.
func statusError(r *Request) error {
	return &StatusError{Status: scsi.Status(r.Status), Sense: append([]byte(nil), r.Sense...)}
}

// RangeError says that a transfer does not fit a disk: it leaves the medium, or does not consist of whole blocks.
type RangeError struct {
	// Offset and Length are the transfer's, in bytes.
	Offset, Length int64
	// Size is the disk's, BlockSize that of its blocks, in bytes.
	Size      int64
	BlockSize int
}

// Error names what was asked for and what the disk allows.
func (e *RangeError) Error() string {
	for _, v := range []struct {
		name  string
		bytes int64
	}{{"offset", e.Offset}, {"length", e.Length}} {
		switch {
		case v.bytes < 0:
			return fmt.Sprintf("%s %d, want 0 or more", v.name, v.bytes)
		case v.bytes%int64(e.BlockSize) != 0:
			return fmt.Sprintf("%s %d is no multiple of the block size %d", v.name, v.bytes, e.BlockSize)
		}
	}
	return fmt.Sprintf("%d bytes at offset %d leave the medium, which has %d bytes", e.Length, e.Offset, e.Size)
}
