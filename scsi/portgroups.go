package scsi

import (
	"encoding/binary"
	"fmt"
)

// AccessState is an asymmetric access state of a target port group (SPC-4, Section 5.15.2.4).
type AccessState byte

// The states.
const (
	ActiveOptimized    AccessState = 0x0
	ActiveNonOptimized AccessState = 0x1
	Standby            AccessState = 0x2
	Unavailable        AccessState = 0x3
	Offline            AccessState = 0xe // a secondary state
	Transitioning      AccessState = 0xf
)

// Primary reports whether the state is one of the primary target port asymmetric access states that this package knows.
func (s AccessState) Primary() bool { return s <= Unavailable || s == Transitioning }

// String names the state.
func (s AccessState) String() string {
	switch s {
	case ActiveOptimized:
		return "active/optimized"
	case ActiveNonOptimized:
		return "active/non-optimized"
	case Standby:
		return "standby"
	case Unavailable:
		return "unavailable"
	case Offline:
		return "offline"
	case Transitioning:
		return "transitioning"
	}
	return fmt.Sprintf("access state 0x%x", byte(s))
}

// GroupState is one entry of SET TARGET PORT GROUPS: the state that a group is to have.
type GroupState struct {
	State AccessState
	ID    uint16
}

// GroupStatus is one target port group as REPORT TARGET PORT GROUPS tells it (SPC-4, Section 6.37).
type GroupStatus struct {
	ID        uint16
	State     AccessState
	Preferred bool
	Supported byte     // bit mask of the supported states: T_SUP, O_SUP, LBD_SUP, U_SUP, S_SUP, AN_SUP, AO_SUP from bit 7 on, bit 5 reserved
	Cause     byte     // STATUS CODE: 1 by SET TARGET PORT GROUPS, 2 by the device itself, 0 neither
	Ports     []uint16 // relative target port identifiers, at most 255
}

// SupportsPrimary is GroupStatus.Supported of a device that knows all primary states but those that depend on the LBA.
const SupportsPrimary byte = 0x8f

// ReportPortGroups builds a REPORT TARGET PORT GROUPS CDB (SPC-4, Section 6.37); extended asks for the header with the transition time.
func ReportPortGroups(extended bool, allocation uint32) []byte {
	cdb := make([]byte, 12)
	cdb[0], cdb[1] = byte(OpMaintenanceIn), ServiceActionReportPortGroups
	if extended {
		cdb[1] |= 1 << 5
	}
	binary.BigEndian.PutUint32(cdb[6:], allocation)
	return cdb
}

// SetPortGroups builds a SET TARGET PORT GROUPS CDB for a parameter list of that many bytes (SPC-4, Section 6.45); see AppendGroupStates.
func SetPortGroups(parameterList uint32) []byte {
	cdb := make([]byte, 12)
	cdb[0], cdb[1] = byte(OpMaintenanceOut), ServiceActionSetPortGroups
	binary.BigEndian.PutUint32(cdb[6:], parameterList)
	return cdb
}

// AppendPortGroups appends the parameter data of REPORT TARGET PORT GROUPS; extended has the header with the implicit transition time in
// seconds.
func AppendPortGroups(b []byte, groups []GroupStatus, extended bool, transitionSeconds byte) []byte {
	at := len(b)
	b = append(b, 0, 0, 0, 0)
	if extended {
		b = append(b, 1<<4, transitionSeconds, 0, 0)
	}
	for _, g := range groups {
		b = append(b, bit(g.Preferred, 7)|byte(g.State)&0xf, g.Supported, byte(g.ID>>8), byte(g.ID), 0, g.Cause, 0, byte(len(g.Ports)))
		for _, port := range g.Ports {
			b = append(b, 0, 0, byte(port>>8), byte(port))
		}
	}
	binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at-4))
	return b
}

// ParsePortGroups reads the parameter data of REPORT TARGET PORT GROUPS with the header that was asked for. A descriptor that the end of the data cuts is
// a *DataError, beside those before it.
func ParsePortGroups(b []byte, extended bool) ([]GroupStatus, error) {
	if len(b) < 4 {
		return nil, &DataError{What: "REPORT TARGET PORT GROUPS data", Field: "length", Got: uint64(len(b)), Want: "at least 4 bytes"}
	}
	list := b[4:min(uint64(len(b)), 4+uint64(binary.BigEndian.Uint32(b)))]
	if extended {
		list = list[min(4, len(list)):]
	}
	var groups []GroupStatus
	for len(list) > 0 {
		if len(list) < 8 || len(list) < 8+4*int(list[7]) {
			return groups, &DataError{What: "REPORT TARGET PORT GROUPS data", Field: "bytes of the last descriptor", Got: uint64(len(list)),
				Want: "a whole descriptor"}
		}
		g := GroupStatus{State: AccessState(list[0] & 0xf), Preferred: list[0]&0x80 != 0, Supported: list[1], ID: binary.BigEndian.Uint16(list[2:]),
			Cause: list[5]}
		ports := list[8 : 8+4*int(list[7])]
		list = list[8+len(ports):]
		for ; len(ports) > 0; ports = ports[4:] {
			g.Ports = append(g.Ports, binary.BigEndian.Uint16(ports[2:]))
		}
		groups = append(groups, g)
	}
	return groups, nil
}

// AppendGroupStates appends the parameter list of SET TARGET PORT GROUPS (SPC-4, Section 6.45).
func AppendGroupStates(b []byte, states []GroupState) []byte {
	b = append(b, 0, 0, 0, 0)
	for _, s := range states {
		b = append(b, byte(s.State)&0xf, 0, byte(s.ID>>8), byte(s.ID))
	}
	return b
}

// ParseGroupStates reads the parameter list of SET TARGET PORT GROUPS. A list that is no header and whole descriptors is a *DataError.
func ParseGroupStates(b []byte) ([]GroupState, error) {
	if len(b) < 4 || len(b)%4 != 0 {
		return nil, &DataError{What: "SET TARGET PORT GROUPS parameter list", Field: "length", Got: uint64(len(b)), Want: "4 bytes, and 4 for each group"}
	}
	states := make([]GroupState, 0, len(b)/4-1)
	for list := b[4:]; len(list) > 0; list = list[4:] {
		states = append(states, GroupState{State: AccessState(list[0] & 0xf), ID: binary.BigEndian.Uint16(list[2:])})
	}
	return states, nil
}
