package scsi

import (
	"encoding/binary"
	"math"
)

// ModePage is the code of a mode page, 6 bits (SPC-4, Section 7.5).
type ModePage byte

// The mode pages that this package builds and reads.
const (
	ModePageReadWriteRecovery  ModePage = 0x01
	ModePageDisconnect         ModePage = 0x02
	ModePageCaching            ModePage = 0x08
	ModePageControl            ModePage = 0x0a
	ModePageInformationControl ModePage = 0x1c
	ModePageAll                ModePage = 0x3f
)

// PageControl says which values MODE SENSE asks for (SPC-4, Section 6.13.1).
type PageControl byte

// The values of PageControl.
const (
	CurrentValues    PageControl = 0
	ChangeableValues PageControl = 1
	DefaultValues    PageControl = 2
	SavedValues      PageControl = 3
)

// ModeData is the parameter data of MODE SENSE (SPC-4, Section 7.5.4), with at most one block descriptor.
type ModeData struct {
	WriteProtected bool // WP of the device specific parameter (SBC-3, Section 6.5.1)
	DPOFUA         bool // DPO and FUA are supported
	HasBlocks      bool // a short block descriptor is there
	Blocks         uint64
	BlockSize      uint32 // 24 bits in the short form
	Pages          []byte // the mode pages, one behind the other; ParseModeData6's alias its argument
}

// Append6 appends the parameter data with the header of MODE SENSE(6). What exceeds the length field's 255 shows as 255.
func (m ModeData) Append6(b []byte) []byte {
	descriptor := m.appendDescriptor(nil)
	length := min(3+len(descriptor)+len(m.Pages), math.MaxUint8)
	b = append(b, byte(length), 0, m.deviceSpecific(), byte(len(descriptor)))
	return append(append(b, descriptor...), m.Pages...)
}

// Append10 appends the parameter data with the header of MODE SENSE(10).
func (m ModeData) Append10(b []byte) []byte {
	descriptor := m.appendDescriptor(nil)
	length := min(6+len(descriptor)+len(m.Pages), math.MaxUint16)
	b = binary.BigEndian.AppendUint16(b, uint16(length))
	b = append(b, 0, m.deviceSpecific(), 0, 0, 0, byte(len(descriptor)))
	return append(append(b, descriptor...), m.Pages...)
}

func (m ModeData) deviceSpecific() byte { return bit(m.WriteProtected, 7) | bit(m.DPOFUA, 4) }

func (m ModeData) appendDescriptor(b []byte) []byte {
	if !m.HasBlocks {
		return b
	}
	b = binary.BigEndian.AppendUint32(b, uint32(min(m.Blocks, math.MaxUint32)))
	return binary.BigEndian.AppendUint32(b, m.BlockSize&0xffffff)
}

// ParseModeData6 reads the parameter data of MODE SENSE(6); what an allocation length cut is left out.
func ParseModeData6(b []byte) (ModeData, error) {
	if len(b) < 4 {
		return ModeData{}, &DataError{What: "MODE SENSE(6) data", Field: "length", Got: uint64(len(b)), Want: "at least 4 bytes"}
	}
	return parseModeData("MODE SENSE(6) data", b[2], int(b[3]), b[4:min(len(b), max(4, 1+int(b[0])))])
}

// ParseModeData10 reads the parameter data of MODE SENSE(10); what an allocation length cut is left out.
func ParseModeData10(b []byte) (ModeData, error) {
	if len(b) < 8 {
		return ModeData{}, &DataError{What: "MODE SENSE(10) data", Field: "length", Got: uint64(len(b)), Want: "at least 8 bytes"}
	}
	end := min(len(b), max(8, 2+int(binary.BigEndian.Uint16(b))))
	return parseModeData("MODE SENSE(10) data", b[3], int(binary.BigEndian.Uint16(b[6:])), b[8:end])
}

func parseModeData(what string, specific byte, descriptors int, rest []byte) (ModeData, error) {
	m := ModeData{WriteProtected: specific&0x80 != 0, DPOFUA: specific&0x10 != 0}
	if descriptors > len(rest) {
		return m, &DataError{What: what, Field: "block descriptor length", Got: uint64(descriptors), Want: "no more than the data hold"}
	}
	if descriptors >= 8 {
		m.HasBlocks = true
		m.Blocks = uint64(binary.BigEndian.Uint32(rest))
		m.BlockSize = binary.BigEndian.Uint32(rest[4:]) & 0xffffff
	}
	m.Pages = rest[descriptors:]
	return m, nil
}

// Page returns the bytes of the mode page, head included, from m.Pages.
func (m ModeData) Page(page ModePage) ([]byte, bool) {
	for b := m.Pages; len(b) >= 2; {
		length := 2 + int(b[1])
		if b[0]&0x40 != 0 { // sub-page format
			if len(b) < 4 {
				return nil, false
			}
			length = 4 + int(binary.BigEndian.Uint16(b[2:]))
		}
		if length > len(b) {
			return nil, false
		}
		if ModePage(b[0]&0x3f) == page {
			return b[:length], true
		}
		b = b[length:]
	}
	return nil, false
}

// CachingPage is mode page 08h (SBC-3, Section 6.5.5), as far as a disk without a cache worth tuning needs it.
type CachingPage struct {
	WriteCacheEnabled bool // WCE
	ReadCacheDisabled bool // RCD
}

// Append appends the page's 20 bytes.
func (p CachingPage) Append(b []byte) []byte {
	at := len(b)
	b = append(b, make([]byte, 20)...)
	b[at], b[at+1] = byte(ModePageCaching), 18
	b[at+2] = bit(p.WriteCacheEnabled, 2) | bit(p.ReadCacheDisabled, 0)
	return b
}

// ControlPage is mode page 0Ah (SPC-4, Section 7.5.8), as far as this project sets it.
type ControlPage struct {
	DescriptorSense    bool   // D_SENSE
	SoftwareWriteLock  bool   // SWP
	UnrestrictedQueue  bool   // QUEUE ALGORITHM MODIFIER 1
	BusyTimeout        uint16 // units of 100 ms; 0xffff unlimited
	TaskAbortedOnClear bool   // TAS
}

// Append appends the page's 12 bytes.
func (p ControlPage) Append(b []byte) []byte {
	at := len(b)
	b = append(b, make([]byte, 12)...)
	b[at], b[at+1] = byte(ModePageControl), 10
	b[at+2] = bit(p.DescriptorSense, 2)
	b[at+3] = bit(p.UnrestrictedQueue, 4)
	b[at+4] = bit(p.SoftwareWriteLock, 3)
	b[at+5] = bit(p.TaskAbortedOnClear, 6)
	binary.BigEndian.PutUint16(b[at+8:], p.BusyTimeout)
	return b
}

// Lengths in bytes of mode pages, heads included.
const (
	RecoveryPageLength           = 12
	CachingPageLength            = 20
	ControlPageLength            = 12
	InformationControlPageLength = 12
)

// RecoveryPage is mode page 01h, Read-Write Error Recovery (SBC-3, Section 6.5.8), of a device that reallocates by itself.
type RecoveryPage struct {
	AutomaticWriteReallocation bool // AWRE
	AutomaticReadReallocation  bool // ARRE
}

// Append appends the page's 12 bytes.
func (p RecoveryPage) Append(b []byte) []byte {
	at := len(b)
	b = append(b, make([]byte, RecoveryPageLength)...)
	b[at], b[at+1] = byte(ModePageReadWriteRecovery), RecoveryPageLength-2
	b[at+2] = bit(p.AutomaticWriteReallocation, 7) | bit(p.AutomaticReadReallocation, 6)
	return b
}

// AppendInformationControlPage appends mode page 1Ch of a device that reports no informational exceptions (SBC-3, Section 6.5.7): 12 bytes.
func AppendInformationControlPage(b []byte) []byte {
	at := len(b)
	b = append(b, make([]byte, InformationControlPageLength)...)
	b[at], b[at+1] = byte(ModePageInformationControl), InformationControlPageLength-2
	return b
}

// ParseCachingPage reads the fields of mode page 08h that CachingPage has; page is the whole page.
func ParseCachingPage(page []byte) CachingPage {
	return CachingPage{WriteCacheEnabled: len(page) > 2 && page[2]&4 != 0, ReadCacheDisabled: len(page) > 2 && page[2]&1 != 0}
}

// ParseControlPage reads the fields of mode page 0Ah that ControlPage has; page is the whole page. A page that is cut is a *DataError.
func ParseControlPage(page []byte) (ControlPage, error) {
	if len(page) < ControlPageLength {
		return ControlPage{}, &DataError{What: "mode page 0Ah", Field: "length", Got: uint64(len(page)), Want: "12 bytes"}
	}
	return ControlPage{DescriptorSense: page[2]&4 != 0, UnrestrictedQueue: page[3]>>4 == 1, SoftwareWriteLock: page[4]&8 != 0,
		TaskAbortedOnClear: page[5]&0x40 != 0, BusyTimeout: binary.BigEndian.Uint16(page[8:])}, nil
}

// ModeSelect6 builds a MODE SELECT(6) CDB with PF set, SP clear (SPC-4, Section 6.11). The parameter list is as MODE SENSE(6) gives it,
// with the mode data length zeroed.
func ModeSelect6(parameterList uint8) []byte {
	return []byte{byte(OpModeSelect6), 0x10, 0, 0, parameterList, 0}
}

// ModeSelect10 builds a MODE SELECT(10) CDB with PF set, SP clear (SPC-4, Section 6.12).
func ModeSelect10(parameterList uint16) []byte {
	cdb := make([]byte, 10)
	cdb[0], cdb[1] = byte(OpModeSelect10), 0x10
	binary.BigEndian.PutUint16(cdb[7:], parameterList)
	return cdb
}

// ParseModeParameters6 reads the parameter list of MODE SELECT(6), which is built like the data of MODE SENSE(6) but for its length, which is
// reserved. One that is cut is a *DataError.
func ParseModeParameters6(b []byte) (ModeData, error) {
	if len(b) < 4 {
		return ModeData{}, &DataError{What: "MODE SELECT(6) parameter list", Field: "length", Got: uint64(len(b)), Want: "at least 4 bytes"}
	}
	return parseModeData("MODE SELECT(6) parameter list", b[2], int(b[3]), b[4:])
}

// ParseModeParameters10 reads the parameter list of MODE SELECT(10). One that is cut is a *DataError.
func ParseModeParameters10(b []byte) (ModeData, error) {
	if len(b) < 8 {
		return ModeData{}, &DataError{What: "MODE SELECT(10) parameter list", Field: "length", Got: uint64(len(b)), Want: "at least 8 bytes"}
	}
	return parseModeData("MODE SELECT(10) parameter list", b[3], int(binary.BigEndian.Uint16(b[6:])), b[8:])
}
