package initiator

import (
	"encoding/binary"
	"hash/fnv"

	"github.com/iscsispec/iscsispec/iscsi"
)

// Where the ISID qualifiers of each class of sessions begin. The default data session of a port has the first, so that
// the same port presents itself alike towards every portal group and after every restart.
const (
	qualifierData          = 0x0000
	qualifierAdded         = 0x0001
	qualifierInformational = 0x4000
	qualifierDiscovery     = 0x8000
)

// portRandoms draws the 24 random bits of each port's ISIDs (RFC 7143, Section 11.12.5, format 10b) from the names of
// initiator and port, so that they survive a restart, and no two ports share them.
func portRandoms(initiatorName string, ports []Port) []uint32 {
	taken := make(map[uint32]bool)
	randoms := make([]uint32, len(ports))
	for i, port := range ports {
		for salt := uint32(0); ; salt++ {
			h := fnv.New64a()
			h.Write([]byte(initiatorName + "\x00" + port.Name + "\x00"))
			h.Write(binary.BigEndian.AppendUint32(nil, salt))
			sum := h.Sum64()
			random := uint32(sum^sum>>24^sum>>48) & 0xffffff
			if !taken[random] {
				taken[random], randoms[i] = true, random
				break
			}
		}
	}
	return randoms
}

// firstQualifier returns where the search for a free qualifier begins.
func firstQualifier(kind Kind, added bool) uint16 {
	switch {
	case kind == Discovery:
		return qualifierDiscovery
	case added:
		return qualifierAdded
	case kind == Informational:
		return qualifierInformational
	default:
		return qualifierData
	}
}

// isidMaker returns the function that makes the ISIDs of the given ports.
func isidMaker(initiatorName string, ports []Port) func(port int, qualifier uint16) iscsi.ISID {
	randoms := portRandoms(initiatorName, ports)
	return func(port int, qualifier uint16) iscsi.ISID { return iscsi.RandomISID(randoms[port], qualifier) }
}
