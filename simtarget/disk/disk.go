package disk

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/iscsispec/iscsispec/scsi"
)

// Config is what a Disk is made from. The zero value of every field but Blocks has a meaning.
type Config struct {
	Blocks           uint64 // capacity in blocks, at least 1
	BlockSize        int    // bytes: a power of two from 512 to 65536; 0 is 512
	Identity         Identity
	ReadOnly         bool    // writes end with DATA PROTECT
	Sequential       bool    // INQUIRY declares a sequential access device (type 01h); the commands stay those of a disk
	Content          Content // what unwritten blocks hold; nil is Zeros
	MaxTransferBytes int     // the most that one command moves, VPD page B0h; 0 is 32 MiB
	// MaxStoredBytes bounds what written data may take; beyond it writes end with DATA PROTECT, SPACE ALLOCATION FAILED WRITE PROTECT. 0 is
	// 1 GiB for a store in memory, and the capacity for one in a file.
	MaxStoredBytes int64
	Store          Store
	// PhysicalExponent says that 2 to this power logical blocks make a physical one, VPD page B0h and READ CAPACITY(16); 0 to 7, and a
	// physical block has at most 64 KiB. It changes nothing but what initiators are told.
	PhysicalExponent int
	// Thick makes the disk fully provisioned: it has no UNMAP and no GET LBA STATUS, and says so. A StoreNull always is.
	Thick bool
	// Removable makes the medium removable: START STOP UNIT ejects and loads it, unless PREVENT ALLOW MEDIUM REMOVAL forbids.
	Removable bool
	// PortGroups holds the asymmetric access states of the target port groups; disks of one array share it. nil is symmetric access.
	PortGroups *PortGroups
}

// ConfigError names the field of a Config that cannot be.
type ConfigError struct {
	Field string
	Got   uint64
	Want  string
}

// Error names the field, what it is and what it may be.
func (e *ConfigError) Error() string {
	return fmt.Sprintf("disk: %s is %d, want %s", e.Field, e.Got, e.Want)
}

// provisioning says what the disk does about blocks that nobody uses.
type provisioning struct {
	thin        bool // it deallocates, and what is deallocated reads as zeros
	granularity int  // bytes
}

// Disk is a block device, a LogicalUnit. All methods may be called from many goroutines at once.
type Disk struct {
	blockSize        int
	maxTransferBytes int
	sequential       bool
	physicalExponent int
	removable        bool
	medium           medium
	provisioning     provisioning
	commands         *commandSet
	volatile         bool        // what is written may be lost until it is flushed
	path             string      // of the file, if any
	cached           atomic.Bool // modes.writeCache
	groups           *PortGroups

	saving sync.Mutex // held while persistent reservations go to their file; taken before mu

	mu         sync.Mutex // guards what follows; never held while data are copied or anything waits
	blocks     uint64
	identity   Identity
	readOnly   bool
	stopped    bool    // by START STOP UNIT
	ejected    bool    // the medium is out
	preventers []Nexus // forbid to take it out
	modes      modes
	attentions attentions
	reserved   *Nexus // the holder of the SPC-2 reservation
	persistent persistent
	copies     []copyResult // oldest first
}

var _ LogicalUnit = (*Disk)(nil)

// New makes a disk. Errors are *ConfigError, or what the operating system said of the file; Close gives back what a disk with a file holds.
func New(c Config) (*Disk, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c.setDefaults()
	m, err := newMedium(&c)
	if err != nil {
		return nil, err
	}
	d := &Disk{blockSize: c.BlockSize, maxTransferBytes: c.MaxTransferBytes, sequential: c.Sequential, blocks: c.Blocks,
		physicalExponent: c.PhysicalExponent, removable: c.Removable, identity: c.Identity.withDefaults(), readOnly: c.ReadOnly, medium: m,
		provisioning: provisioning{thin: !c.Thick && c.Store.Kind != StoreNull, granularity: chunkSize}, groups: c.PortGroups}
	if c.Store.Kind == StoreFile {
		d.provisioning.granularity = max(fileGranularity, c.BlockSize)
	}
	d.volatile, d.path = c.Store.Kind == StoreFile, c.Store.Path
	d.setModes(d.defaultModes())
	d.commands = newCommandSet(d)
	if err := d.loadReservations(); err != nil {
		return nil, errors.Join(err, m.close())
	}
	if d.groups != nil {
		d.groups.join(d)
	}
	return d, nil
}

func (c *Config) setDefaults() {
	if c.BlockSize == 0 {
		c.BlockSize = 512
	}
	if c.MaxTransferBytes == 0 {
		c.MaxTransferBytes = 32 << 20
	}
	if c.MaxStoredBytes == 0 && c.Store.Kind != StoreFile {
		c.MaxStoredBytes = 1 << 30
	}
	if c.Content == nil {
		c.Content = Zeros{}
	}
}

// Validate reports as a *ConfigError the first field that cannot be. It opens nothing.
func (c Config) Validate() error {
	c.setDefaults()
	const maxBlocks = 1 << 54 // so that no offset in bytes overflows
	_, zeros := c.Content.(Zeros)
	switch {
	case c.BlockSize < 512 || c.BlockSize > chunkSize || c.BlockSize&(c.BlockSize-1) != 0:
		return &ConfigError{Field: "block size", Got: uint64(c.BlockSize), Want: "a power of two from 512 to 65536"}
	case c.Blocks == 0 || c.Blocks > maxBlocks/uint64(c.BlockSize/512):
		return &ConfigError{Field: "capacity in blocks", Got: c.Blocks, Want: "1 to 2^54 blocks of 512 bytes"}
	case c.MaxTransferBytes < c.BlockSize:
		return &ConfigError{Field: "maximum transfer in bytes", Got: uint64(c.MaxTransferBytes), Want: "at least one block"}
	case len(c.Identity.NAA) != 0 && len(c.Identity.NAA) != 8 && len(c.Identity.NAA) != 16:
		return &ConfigError{Field: "length of the NAA identifier", Got: uint64(len(c.Identity.NAA)), Want: "8 or 16 bytes"}
	case c.PhysicalExponent < 0 || c.PhysicalExponent > 7 || c.BlockSize<<c.PhysicalExponent > chunkSize:
		return &ConfigError{Field: "logical blocks per physical block exponent", Got: uint64(c.PhysicalExponent),
			Want: "0 to 7, with physical blocks of at most 65536 bytes"}
	case !slices.Contains([]StoreKind{"", StoreMemory, StoreFile, StoreNull}, c.Store.Kind):
		return &ConfigError{Field: "store", Want: fmt.Sprintf("memory, file or null instead of %q", c.Store.Kind)}
	case (c.Store.Kind == StoreFile) != (c.Store.Path != ""):
		return &ConfigError{Field: "length of the path", Got: uint64(len(c.Store.Path)), Want: "a path for a store of kind file, and none for another"}
	case c.MaxStoredBytes < 0:
		return &ConfigError{Field: "limit of stored bytes", Want: "0 or more"}
	case c.Store.Kind == StoreFile && !zeros:
		return &ConfigError{Field: "content", Got: 1, Want: "zeros in a store of kind file: a hole reads as zeros"}
	case c.Store.Kind == StoreFile && c.Blocks > 1<<62/uint64(c.BlockSize):
		return &ConfigError{Field: "capacity in blocks", Got: c.Blocks, Want: "at most 2^62 bytes in a file"}
	}
	return nil
}

// Close gives back what the disk holds: it brings a file up to date and lets go of it. Commands that come later find a medium that cannot be
// read. Closing twice is lawful.
func (d *Disk) Close() error {
	if d.groups != nil {
		d.groups.leave(d)
	}
	return d.medium.close()
}

// BlockSize returns the block size in bytes.
func (d *Disk) BlockSize() int { return d.blockSize }

// Blocks returns the capacity in blocks.
func (d *Disk) Blocks() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.blocks
}

// Identity returns how the disk names itself now, defaults filled in.
func (d *Disk) Identity() Identity {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.identity
}

// SetIdentity replaces the identity. With announce all connected nexuses get the unit attention INQUIRY DATA HAS CHANGED.
func (d *Disk) SetIdentity(id Identity, announce bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.identity = id.withDefaults()
	d.announce(scsi.InquiryDataChanged, announce)
}

// SetRevision replaces the product revision level, as an update of the array's software does. With announce all connected nexuses get
// the unit attention INQUIRY DATA HAS CHANGED.
func (d *Disk) SetRevision(revision string, announce bool) {
	id := d.Identity()
	id.Revision = revision
	d.SetIdentity(id, announce)
}

// SetBlocks changes the capacity; 0 is taken as 1. What lay beyond a smaller capacity is kept, and seen again when it grows. With announce
// all connected nexuses get the unit attention CAPACITY DATA HAS CHANGED.
func (d *Disk) SetBlocks(blocks uint64, announce bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.blocks = max(1, blocks)
	d.announce(scsi.CapacityDataChanged, announce)
}

// SetReadOnly turns write protection on or off. With announce all connected nexuses get the unit attention MODE PARAMETERS CHANGED.
func (d *Disk) SetReadOnly(readOnly, announce bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.readOnly = readOnly
	d.announce(scsi.ModeParametersChanged, announce)
}

func (d *Disk) announce(code scsi.ASC, announce bool) {
	if announce {
		d.attentions.establish(code)
	}
}

// ReadBlocks fills dst, a multiple of the block size, with what lies from lba on, past every check that a command meets. It is for
// whoever looks after a disk, not for its initiators.
func (d *Disk) ReadBlocks(dst []byte, lba uint64) { _ = d.medium.read(dst, lba*uint64(d.blockSize)) }

// WriteBlocks stores src, a multiple of the block size, from lba on, past every check that a command meets but the limit of stored bytes:
// false says that this would be passed, or that a file cannot be written, and nothing is sure to be there.
func (d *Disk) WriteBlocks(src []byte, lba uint64) bool {
	return d.medium.write(src, lba*uint64(d.blockSize)) == nil
}

// Connect makes the nexus known, and pends the unit attention code unless it is scsi.NoAdditionalSense.
func (d *Disk) Connect(n Nexus, code scsi.ASC) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.attentions.connect(n, code)
}

// Disconnect forgets the nexus: its SPC-2 reservation and its unit attentions go, a persistent registration stays.
func (d *Disk) Disconnect(n Nexus) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.attentions.disconnect(n)
	d.preventRemoval(n, false)
	d.copies = slices.DeleteFunc(d.copies, func(r copyResult) bool { return r.nexus == n })
	if d.reserved != nil && *d.reserved == n {
		d.reserved = nil
	}
}

// Attention establishes a unit attention for all connected nexuses but those named.
func (d *Disk) Attention(code scsi.ASC, except ...Nexus) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.attentions.establish(code, except...)
}

// ClearAttention withdraws a pending unit attention.
func (d *Disk) ClearAttention(n Nexus, code scsi.ASC) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.attentions.withdraw(n, code)
}

// Reset is a logical unit reset (SAM-5, Section 6.3.3): the SPC-2 reservation goes, so does what prevents the removal of the medium, a stopped
// unit is started, mode pages have their defaults, and all connected nexuses but those named get the unit attention.
func (d *Disk) Reset(code scsi.ASC, except ...Nexus) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reset()
	d.attentions.establish(code, except...)
}

func (d *Disk) reset() {
	d.reserved, d.stopped, d.preventers, d.copies = nil, false, nil, nil
	d.setModes(d.defaultModes())
}

// PowerCycle is a loss of power and its return: a reset, and persistent reservations go unless the last registration asked to keep them (APTPL;
// SPC-4, Section 5.13.6). All connected nexuses get the unit attention.
func (d *Disk) PowerCycle(code scsi.ASC) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reset()
	if !d.persistent.keeps {
		d.persistent = persistent{}
	}
	d.persistent.generation = 0
	d.attentions.establish(code)
}
