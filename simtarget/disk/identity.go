package disk

import (
	"encoding/binary"
	"hash/fnv"
)

// Identity is how a disk names itself. Two disks with equal Serial and NAA are the same unit to an initiator.
type Identity struct {
	Vendor   string // up to 8 characters of ASCII; "" is "ISCSPEC"
	Product  string // up to 16; "" is "SIMULATED DISK"
	Revision string // up to 4; "" is "0001"
	Serial   string // up to 64 characters of ASCII, VPD page 80h; "" is "0000"
	NAA      []byte // 8 or 16 bytes, VPD page 83h; nil is a locally assigned identifier (NAA 3h) made from Serial
}

func (id Identity) withDefaults() Identity {
	set := func(field *string, value string, limit int) {
		if *field == "" {
			*field = value
		}
		*field = (*field)[:min(len(*field), limit)]
	}
	set(&id.Vendor, "ISCSPEC", 8)
	set(&id.Product, "SIMULATED DISK", 16)
	set(&id.Revision, "0001", 4)
	set(&id.Serial, "0000", 64)
	if len(id.NAA) == 0 {
		id.NAA = LocalNAA(id.Serial)
	} else {
		id.NAA = append([]byte(nil), id.NAA...)
	}
	return id
}

// LocalNAA makes an 8 byte NAA identifier out of a serial number: NAA 3h, locally assigned, with 60 bits of the serial's FNV-1a hash.
func LocalNAA(serial string) []byte {
	h := fnv.New64a()
	h.Write([]byte(serial))
	return binary.BigEndian.AppendUint64(nil, 3<<60|h.Sum64()>>4)
}
