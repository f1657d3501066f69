package sessions

import "time"

// Blocks are 512 bytes in every profile unless the plan says otherwise; a probe reads 4 KiB.
const (
	blockSize   = 512
	probeBlocks = 8
)

// Read reads blocks of a unit. The end of the op tells what was read, see [OpRun].
type Read struct {
	Session string `yaml:"session,omitempty"`
	LUN     int    `yaml:"lun,omitempty"`
	LBA     uint64 `yaml:"lba,omitempty"`
	// Blocks is how many; 0 means 1.
	Blocks int `yaml:"blocks,omitempty"`
	// Device sends it to the device that the unit is, over whichever path the initiator chooses, and not through Session itself.
	Device bool `yaml:"device,omitempty"`
	// Content tells block by block what was read, see [OpRun]: for judges of the data, in reads of a few blocks.
	Content bool `yaml:"content,omitempty"`
}

// OpName is "read".
func (Read) OpName() string { return "read" }

func (o Read) labels() []string { return []string{o.Session} }

// Write writes blocks of a unit. Every block begins with a stamp that names the step, the round and the block, so no two writes of a run write
// the same bytes: "w.3@17" is the third write of step w, block 17.
type Write struct {
	Session string `yaml:"session,omitempty"`
	LUN     int    `yaml:"lun,omitempty"`
	LBA     uint64 `yaml:"lba,omitempty"`
	// Blocks is how many; 0 means 1.
	Blocks int `yaml:"blocks,omitempty"`
	// Device sends it to the device that the unit is, over whichever path the initiator chooses, and not through Session itself.
	Device bool `yaml:"device,omitempty"`
}

// OpName is "write".
func (Write) OpName() string { return "write" }

func (o Write) labels() []string { return []string{o.Session} }

// Probe is the catalogue's probe: a 4 KiB READ of LUN 0 that must complete GOOD.
type Probe struct {
	Session string `yaml:"session,omitempty"`
}

// OpName is "probe".
func (Probe) OpName() string { return "probe" }

func (o Probe) labels() []string { return []string{o.Session} }

// Inquiry asks for the standard INQUIRY data, or for a vital product data page.
type Inquiry struct {
	Session string `yaml:"session,omitempty"`
	LUN     int    `yaml:"lun,omitempty"`
	// VPD asks for a page: "00", "80", "83", "b0" ...
	VPD string `yaml:"vpd,omitempty"`
	// Length is the allocation length in bytes; 0 means 255.
	Length int `yaml:"length,omitempty"`
}

// OpName is "inquiry".
func (Inquiry) OpName() string { return "inquiry" }

func (o Inquiry) labels() []string { return []string{o.Session} }

// ReportLUNs asks for the list of units.
type ReportLUNs struct {
	Session string `yaml:"session,omitempty"`
	// Length is the allocation length in bytes; 0 means 4096.
	Length int `yaml:"length,omitempty"`
}

// OpName is "report-luns".
func (ReportLUNs) OpName() string { return "report-luns" }

func (o ReportLUNs) labels() []string { return []string{o.Session} }

// ReadCapacity asks for the capacity with READ CAPACITY(10).
type ReadCapacity struct {
	Session string `yaml:"session,omitempty"`
	LUN     int    `yaml:"lun,omitempty"`
}

// OpName is "read-capacity".
func (ReadCapacity) OpName() string { return "read-capacity" }

func (o ReadCapacity) labels() []string { return []string{o.Session} }

// TestUnitReady asks whether a unit is ready.
type TestUnitReady struct {
	Session string `yaml:"session,omitempty"`
	LUN     int    `yaml:"lun,omitempty"`
}

// OpName is "test-unit-ready".
func (TestUnitReady) OpName() string { return "test-unit-ready" }

func (o TestUnitReady) labels() []string { return []string{o.Session} }

// SynchronizeCache asks a unit to write its cache to the medium.
type SynchronizeCache struct {
	Session string `yaml:"session,omitempty"`
	LUN     int    `yaml:"lun,omitempty"`
}

// OpName is "synchronize-cache".
func (SynchronizeCache) OpName() string { return "synchronize-cache" }

func (o SynchronizeCache) labels() []string { return []string{o.Session} }

// RawCDB sends any command.
type RawCDB struct {
	Session string `yaml:"session,omitempty"`
	LUN     int    `yaml:"lun,omitempty"`
	// CDB in hexadecimal.
	CDB string `yaml:"cdb"`
	// Read and Write are the expected transfer lengths in bytes; at most one is not 0.
	Read  int `yaml:"read,omitempty"`
	Write int `yaml:"write,omitempty"`
}

// OpName is "raw-cdb".
func (RawCDB) OpName() string { return "raw-cdb" }

func (o RawCDB) labels() []string { return []string{o.Session} }

// AbortTask aborts a request that an asynchronous step has under way, as its requester would.
type AbortTask struct {
	// Of is the step's label; Nth is which of its requests, from 1; 0 means the first.
	Of  string `yaml:"of"`
	Nth int    `yaml:"nth,omitempty"`
}

// OpName is "abort-task".
func (AbortTask) OpName() string { return "abort-task" }

func (o AbortTask) labels() []string { return []string{o.Of} }

// LUNReset resets a unit.
type LUNReset struct {
	Session string `yaml:"session,omitempty"`
	LUN     int    `yaml:"lun,omitempty"`
}

// OpName is "lun-reset".
func (LUNReset) OpName() string { return "lun-reset" }

func (o LUNReset) labels() []string { return []string{o.Session} }

// Submit submits many requests one by one, without waiting for their ends: request i (from 1) is the template with its block address
// moved on by (i-1) times Step, on the LUNs in turn. Each request leaves op events of its own under the step's label and the template's
// name, numbered on. The driver goes on when all have ended, or, if the step is Async, when all have been submitted. Either way the
// label, in After, stands for the end of all of them.
type Submit struct {
	Count int `yaml:"count"`
	// Every is the time between two submissions; 0 means at once, in order.
	Every time.Duration `yaml:"every,omitempty"`
	// Step moves the block address on from request to request.
	Step uint64 `yaml:"step,omitempty"`
	// LUNs are taken in turn instead of the template's.
	LUNs []int `yaml:"luns,flow,omitempty"`
	// Exactly one template. For Read and Write the session is the template's.
	Read          *Read          `yaml:"read,omitempty"`
	Write         *Write         `yaml:"write,omitempty"`
	TestUnitReady *TestUnitReady `yaml:"test-unit-ready,omitempty"`
	// Deadline is every request's own.
	Deadline time.Duration `yaml:"deadline,omitempty"`
}

// OpName is "submit".
func (Submit) OpName() string { return "submit" }

func (o Submit) labels() []string {
	if t := o.template(); t != nil {
		return []string{t.session()}
	}
	return nil
}

// Load keeps some requests under way for a time: Workers submitters, each of which submits its next request when its last one has ended, and not
// sooner than Every after it was submitted, nor sooner than 100 ms after one that did not end with GOOD. Worker w works on blocks of its own, starting at w times 1024. With Verify each write is
// followed by a read of the same block that has to bring the same bytes (outcome MISCOMPARE otherwise). Requests leave op events under the
// step's label, numbered over all workers in the order of their submission. Load is meant to be Async.
type Load struct {
	Session string `yaml:"session,omitempty"`
	LUN     int    `yaml:"lun,omitempty"`
	// Device sends the requests to the device that the unit is, over whichever path the initiator chooses, and not through Session itself.
	Device bool `yaml:"device,omitempty"`
	// Workers is how many; 0 means 1. Every is at least 1 ms.
	Workers int           `yaml:"workers,omitempty"`
	Every   time.Duration `yaml:"every,omitempty"`
	// For is how long new requests are submitted.
	For time.Duration `yaml:"for"`
	// Write makes them writes; Verify adds a read behind each.
	Write  bool `yaml:"write,omitempty"`
	Verify bool `yaml:"verify,omitempty"`
}

// OpName is "load".
func (Load) OpName() string { return "load" }

func (o Load) labels() []string { return []string{o.Session} }
