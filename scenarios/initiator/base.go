package initiator

import (
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi/chap"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/simtarget/disk"
)

// TargetName is the target that the scripted array plays.
const TargetName = "iqn.2026-01.io.iscsispec:scripted"

// Pattern is the content of the scripted array's disks: a block that is not at its place shows.
var Pattern = disk.Pattern{Seed: 0x15c51}

// BlockSize is that of the scripted array's disks, in bytes.
const BlockSize = 512

// Base is what the scripted array is: the catalogue's BASE login, unless the check changes it before it runs. A check may also change it
// between two logins.
type Base struct {
	// Target is the target's name.
	Target string
	// Params are what the array answers keys from; its MaxRecvDataSegmentLength is declared. Where HeaderDigest or DataDigest is set,
	// CRC32C is taken when it is offered.
	Params text.Params
	// Tag is the TargetPortalGroupTag.
	Tag uint16
	// TSIH is the first session's; further ones count on.
	TSIH uint16
	// StatSN is the first one of a connection.
	StatSN uint32
	// Window is the n of WIN(n).
	Window int
	// Declares are further pairs that the array sends with its first answer in the operational stage.
	Declares text.Pairs
	// CHAP, where not nil, is what the array asks for and can prove.
	CHAP *CHAP
	// Units are the logical units.
	Units []Unit
	// Targets is the answer to SendTargets=All; nil means the target alone, without addresses.
	Targets text.Pairs
}

// Unit is a logical unit of the scripted array.
type Unit struct {
	LUN    scsi.LUN
	Config disk.Config
}

// CHAP is the array's side of the authentication.
type CHAP struct {
	// User is what the initiator has to prove, Own what the array proves when it is asked to.
	User, Own chap.Credentials
	// Algorithms are what the array takes, MD5 where there is none.
	Algorithms []chap.Algorithm
	// Identifier and Challenge are CHAP_I and CHAP_C; an empty challenge means 16 bytes drawn from the seed.
	Identifier byte
	Challenge  []byte
	// Base64 makes binary values go out in base64.
	Base64 bool
}

// The credentials that checks of authentication use; they are for everybody to know.
var (
	InitiatorAccount = chap.Credentials{Name: "iscsispec", Secret: "iscsispec-secret"}
	TargetAccount    = chap.Credentials{Name: "array", Secret: "iscsispec-array-secret"}
)

// NewBase returns the catalogue's BASE.
func NewBase() *Base {
	p := text.DefaultParams()
	p.MaxRecvDataSegmentLength = 65536
	p.DefaultTime2Wait, p.DefaultTime2Retain = 0, 0
	return &Base{Target: TargetName, Params: p, Tag: 1, TSIH: 0x0101, StatSN: 0x1000, Window: 32,
		Units: []Unit{{LUN: scsi.LUNOf(0), Config: Disk(64 << 20)}}}
}

// Disk is a disk of that many bytes with the pattern on it.
func Disk(size uint64) disk.Config {
	return disk.Config{Blocks: size / BlockSize, BlockSize: BlockSize, Content: Pattern,
		Identity: disk.Identity{Product: "SCRIPTED DISK", Serial: fmt.Sprintf("SCRIPTED%08x", size)}}
}

// WithCHAP makes the array ask for CHAP, and prove itself to who asks.
func WithCHAP(b *Base) { b.CHAP = &CHAP{User: InitiatorAccount, Own: TargetAccount, Identifier: 0x5a} }

// wants are the array's in the negotiation of a login.
func (b *Base) wants() []text.Want {
	p := &b.Params
	number := func(key string, n int) text.Want { return text.Want{Key: key, Limit: fmt.Sprint(n)} }
	boolean := func(key string, v bool) text.Want { return text.Want{Key: key, Limit: text.FormatBool(v)} }
	digest := func(key string, on bool) text.Want {
		if on {
			return text.Want{Key: key, Limit: "CRC32C,None"}
		}
		return text.Want{Key: key, Limit: "None"}
	}
	method := "None"
	if b.CHAP != nil {
		method = "CHAP"
	}
	return []text.Want{
		{Key: text.KeyAuthMethod, Limit: method},
		{Key: text.KeyMaxRecvDataSegmentLength, Offer: fmt.Sprint(p.MaxRecvDataSegmentLength)},
		digest(text.KeyHeaderDigest, p.HeaderDigest), digest(text.KeyDataDigest, p.DataDigest),
		number(text.KeyMaxConnections, p.MaxConnections), number(text.KeyErrorRecoveryLevel, p.ErrorRecoveryLevel),
		number(text.KeyDefaultTime2Wait, p.DefaultTime2Wait), number(text.KeyDefaultTime2Retain, p.DefaultTime2Retain),
		boolean(text.KeyInitialR2T, p.InitialR2T), boolean(text.KeyImmediateData, p.ImmediateData),
		boolean(text.KeyDataPDUInOrder, p.DataPDUInOrder), boolean(text.KeyDataSequenceInOrder, p.DataSequenceInOrder),
		number(text.KeyMaxOutstandingR2T, p.MaxOutstandingR2T), number(text.KeyMaxBurstLength, p.MaxBurstLength),
		number(text.KeyFirstBurstLength, p.FirstBurstLength),
		number(text.KeyISCSIProtocolLevel, p.ProtocolLevel), {Key: text.KeyTaskReporting, Limit: p.TaskReporting},
	}
}

// units makes the array's logical units.
func (b *Base) units() (*disk.Inventory, error) {
	inventory := disk.NewInventory()
	for _, u := range b.Units {
		d, err := disk.New(u.Config)
		if err != nil {
			return nil, err
		}
		inventory.Put(u.LUN, d, false)
	}
	return inventory, nil
}
