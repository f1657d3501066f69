package scsi

import "fmt"

// LUN is a logical unit number in its wire form: the eight bytes that REPORT LUNS gives and that a SCSI Command PDU carries, read as
// a big-endian number (SAM-5, Section 4.7). LUN 5 in peripheral form is 0x0005000000000000.
type LUN uint64

// AddressMethod is the way in which the first level of a LUN is written (SAM-5, Section 4.7.7).
type AddressMethod byte

// The addressing methods: two bits on the wire.
const (
	Peripheral  AddressMethod = 0 // numbers 0 to 255
	Flat        AddressMethod = 1 // numbers 0 to 16383
	LogicalUnit AddressMethod = 2 // bus, target and number; not used by this package
	Extended    AddressMethod = 3 // among others extended flat: numbers 0 to 16777215
)

// MaxFlatLUN is the largest number that flat space addressing carries.
const MaxFlatLUN = 1<<14 - 1

// PeripheralLUN writes n in peripheral device addressing, bus 0.
func PeripheralLUN(n uint8) LUN { return LUN(n) << 48 }

// FlatLUN writes n in flat space addressing. Only the lower 14 bits of n are carried.
func FlatLUN(n uint16) LUN { return LUN(0x4000|n&MaxFlatLUN) << 48 }

// LUNOf writes n in the form that targets commonly report: peripheral up to 255, flat up to MaxFlatLUN, extended flat beyond, where
// only the lower 24 bits of n are carried.
func LUNOf(n uint32) LUN {
	switch {
	case n <= 0xff:
		return PeripheralLUN(uint8(n))
	case n <= MaxFlatLUN:
		return FlatLUN(uint16(n))
	}
	return LUN(0xd2)<<56 | LUN(n&0xffffff)<<32
}

// Method returns the addressing method of the first level.
func (l LUN) Method() AddressMethod { return AddressMethod(l >> 62) }

// Number returns the logical unit's number when the LUN is a single level one: peripheral on bus 0, flat, or extended flat of three
// bytes. ok is false for every other form.
func (l LUN) Number() (n uint32, ok bool) {
	switch l.Method() {
	case Peripheral:
		return uint32(l>>48) & 0xff, l&0x3f00_ffff_ffff_ffff == 0
	case Flat:
		return uint32(l>>48) & MaxFlatLUN, l&0x0000_ffff_ffff_ffff == 0
	case Extended:
		return uint32(l>>32) & 0xffffff, l>>56 == 0xd2 && l&0xffff_ffff == 0
	}
	return 0, false
}

// String writes the number in decimal, or the wire form in hexadecimal when the LUN has no single number.
func (l LUN) String() string {
	if n, ok := l.Number(); ok {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("0x%016x", uint64(l))
}
