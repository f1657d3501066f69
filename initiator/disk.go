package initiator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/iscsispec/iscsispec/scsi"
)

// Limits of what a Disk asks of its target.
const (
	// diskStep is the largest transfer of one command, in bytes, unless the unit takes less.
	diskStep = 256 << 10
	// diskDepth is how many commands of one call are under way at once, unless DiskOptions say otherwise.
	diskDepth = 8
	// diskDepthMax bounds them, and with them the memory of one call.
	diskDepthMax = 128
)

// Disk gives random access to the medium of one logical unit. Transfers are split into commands that the unit takes, several of
// which are under way at once, and consist of whole blocks. Its methods may be called from any goroutine; what they read
// and write does not outlast the session, on which it puts no other claim.
type Disk struct {
	s         *Session
	lun       uint64
	blocks    uint64
	blockSize int
	step      int // Bytes of one command, a multiple of blockSize.
	depth     int // Commands of one call that are under way at once.
}

// DiskOptions say how a Disk uses its unit. The zero value is fit for sound targets.
type DiskOptions struct {
	// Depth is how many commands of one call are under way at once, 1 to 128; 0 means 8. There are targets that lose
	// commands which come while another is being carried out: 1 spares them.
	Depth int
}

// TransferError says which part of a transfer failed.
type TransferError struct {
	// Op is "read" or "write".
	Op string
	// Offset and Length are those of the command that failed, in bytes.
	Offset int64
	Length int
	// Err is a *StatusError, an *IncompleteError, ErrTransportLost, a context's error ...
	Err error
}

// Error names the part and the cause.
func (e *TransferError) Error() string {
	return fmt.Sprintf("%s of %d bytes at offset %d: %v", e.Op, e.Length, e.Offset, e.Err)
}

// Unwrap returns the cause.
func (e *TransferError) Unwrap() error { return e.Err }

// OpenDisk asks a logical unit, given in wire form (scsi.LUN), for its capacity and its limits. The context bounds the opening. A
// unit that answers no READ CAPACITY, for one because it is no disk, is a *StatusError.
func OpenDisk(ctx context.Context, s *Session, lun uint64, o DiskOptions) (*Disk, error) {
	if o.Depth < 0 || o.Depth > diskDepthMax {
		return nil, fmt.Errorf("depth %d, want 0 to %d: %w", o.Depth, diskDepthMax, ErrNotSupported)
	}
	if o.Depth == 0 {
		o.Depth = diskDepth
	}
	blocks, size, err := s.ReadCapacity(ctx, lun)
	if err != nil {
		return nil, fmt.Errorf("capacity of LUN %v: %w", scsi.LUN(lun), err)
	}
	if size == 0 || size > diskStep || blocks > math.MaxInt64/uint64(size) {
		return nil, fmt.Errorf("capacity of LUN %v: %d blocks of %d bytes: %w", scsi.LUN(lun), blocks, size, ErrNotSupported)
	}
	d := &Disk{s: s, lun: lun, blocks: blocks, blockSize: int(size), depth: o.Depth}
	most, err := d.maxTransfer(ctx)
	if err != nil {
		return nil, fmt.Errorf("block limits of LUN %v: %w", scsi.LUN(lun), err)
	}
	d.step = d.blockSize * max(1, min(diskStep/d.blockSize, most))
	return d, nil
}

// maxTransfer returns how many blocks the unit takes in one command (SBC-3, Section 6.6.3).
func (d *Disk) maxTransfer(ctx context.Context) (int, error) {
	var limits scsi.BlockLimits
	// The page is asked for only where it is listed: there are targets that stumble over an unknown one.
	for _, page := range []scsi.VPDPage{scsi.VPDSupportedPages, scsi.VPDBlockLimits} {
		data, err := d.s.Query(ctx, d.lun, scsi.InquiryVPD(page, pageAllocation), pageAllocation)
		var refused *StatusError
		var rejected *RejectError
		switch {
		case errors.As(err, &refused), errors.As(err, &rejected):
			return diskStep, nil
		case err != nil:
			return 0, err
		}
		vpd, bad := scsi.ParseVPD(data, page)
		switch {
		case bad != nil:
			return diskStep, nil
		case page == scsi.VPDBlockLimits:
			limits = vpd.BlockLimits()
		case !slices.Contains(vpd.SupportedPages(), scsi.VPDBlockLimits):
			return diskStep, nil
		}
	}
	if limits.MaxTransfer == 0 || limits.MaxTransfer > diskStep {
		return diskStep, nil
	}
	return int(limits.MaxTransfer), nil
}

// Size returns the size of the medium in bytes.
func (d *Disk) Size() int64 { return int64(d.blocks) * int64(d.blockSize) }

// BlockSize returns the size of a block in bytes.
func (d *Disk) BlockSize() int { return d.blockSize }

// Check returns the *RangeError of a transfer that leaves the medium or is not made of whole blocks, and nil for one that fits.
func (d *Disk) Check(offset, length int64) error {
	b := int64(d.blockSize)
	if offset < 0 || length < 0 || offset%b != 0 || length%b != 0 || offset > d.Size() || length > d.Size()-offset {
		return &RangeError{Offset: offset, Length: length, Size: d.Size(), BlockSize: d.blockSize}
	}
	return nil
}

// ReadAt fills p from an offset in bytes; at the end of the medium it stops with io.EOF, as io.ReaderAt has it. Offset and length are free, but
// cost least where they are of whole blocks. Errors are *RangeError for a negative offset, and *TransferError; the count is of the bytes
// that are right from the front.
func (d *Disk) ReadAt(p []byte, offset int64) (int, error) {
	if offset < 0 {
		return 0, &RangeError{Offset: offset, Length: int64(len(p)), Size: d.Size(), BlockSize: d.blockSize}
	}
	var atEnd error
	if left := max(0, d.Size()-offset); int64(len(p)) > left {
		p, atEnd = p[:left], io.EOF
	}
	if len(p) == 0 {
		return 0, atEnd
	}
	t := &transfer{op: "read", offset: offset, length: int64(len(p)), memory: p}
	b := int64(d.blockSize)
	ahead, behind := offset%b, (b-(offset+int64(len(p)))%b)%b
	if ahead != 0 || behind != 0 {
		t = &transfer{op: "read", offset: offset - ahead, length: ahead + int64(len(p)) + behind, sink: &window{into: p, skip: int(ahead)}}
	}
	n, err := d.move(context.Background(), t)
	if err != nil {
		return int(min(max(0, n-ahead), int64(len(p)))), err
	}
	return len(p), atEnd
}

// window takes the bytes of whole blocks and keeps those in the middle that were asked for.
type window struct {
	into []byte
	skip int
}

func (w *window) Write(p []byte) (int, error) {
	kept := p[min(w.skip, len(p)):]
	w.skip = max(0, w.skip-len(p))
	w.into = w.into[copy(w.into, kept):]
	return len(p), nil
}

// WriteAt writes p at an offset in bytes, both of whole blocks within the medium. Errors are *RangeError and *TransferError; the count is of
// the bytes that the target took from the front, and what is behind them may have been written too.
func (d *Disk) WriteAt(p []byte, offset int64) (int, error) {
	if err := d.Check(offset, int64(len(p))); err != nil {
		return 0, err
	}
	n, err := d.move(context.Background(), &transfer{op: "write", offset: offset, length: int64(len(p)), memory: p})
	return int(n), err
}

// ReadTo copies length bytes from an offset to w, in order, and returns how many w took. Errors are *RangeError, *TransferError,
// and those of w as they are. When ctx ends, what is under way is given up.
func (d *Disk) ReadTo(ctx context.Context, w io.Writer, offset, length int64) (int64, error) {
	if err := d.Check(offset, length); err != nil {
		return 0, err
	}
	return d.move(ctx, &transfer{op: "read", offset: offset, length: length, sink: w})
}

// WriteFrom writes what r gives to an offset and on, until r ends, and returns how many bytes the target took from the front. Errors are
// *RangeError when r gives more than fits or ends inside a block, *TransferError, and those of r as they are; what was read
// before is written nevertheless. When ctx ends, what is under way is given up; a Read of r that waits is waited for.
func (d *Disk) WriteFrom(ctx context.Context, r io.Reader, offset int64) (int64, error) {
	if err := d.Check(offset, 0); err != nil {
		return 0, err
	}
	return d.move(ctx, &transfer{op: "write", offset: offset, length: d.Size() - offset, source: r})
}

// Flush asks the unit to put what it has in a volatile cache on the medium. A unit that does not know the command has none.
func (d *Disk) Flush(ctx context.Context) error {
	_, err := d.s.Query(ctx, d.lun, scsi.SynchronizeCache10(0, 0), 0)
	var refused *StatusError
	if errors.As(err, &refused) {
		if sense, bad := scsi.ParseSense(refused.Sense); bad == nil && sense.Key == scsi.IllegalRequest {
			return nil
		}
	}
	return err
}
