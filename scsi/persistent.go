package scsi

import "encoding/binary"

// PersistentInAction is a service action of PERSISTENT RESERVE IN (SPC-4, Section 6.15.1).
type PersistentInAction byte

// The service actions of PERSISTENT RESERVE IN.
const (
	ReadKeys           PersistentInAction = 0
	ReadReservation    PersistentInAction = 1
	ReportCapabilities PersistentInAction = 2
	ReadFullStatus     PersistentInAction = 3
)

// PersistentOutAction is a service action of PERSISTENT RESERVE OUT (SPC-4, Section 6.16.2).
type PersistentOutAction byte

// The service actions of PERSISTENT RESERVE OUT that this project uses.
const (
	PersistentRegister          PersistentOutAction = 0
	PersistentReserve           PersistentOutAction = 1
	PersistentRelease           PersistentOutAction = 2
	PersistentClear             PersistentOutAction = 3
	PersistentPreempt           PersistentOutAction = 4
	PersistentPreemptAbort      PersistentOutAction = 5
	PersistentRegisterAndIgnore PersistentOutAction = 6
	PersistentRegisterAndMove   PersistentOutAction = 7
)

// ReservationType is the type of a persistent reservation, 4 bits (SPC-4, Section 6.15.3.4).
type ReservationType byte

// The reservation types.
const (
	WriteExclusive                  ReservationType = 1
	ExclusiveAccess                 ReservationType = 3
	WriteExclusiveRegistrantsOnly   ReservationType = 5
	ExclusiveAccessRegistrantsOnly  ReservationType = 6
	WriteExclusiveAllRegistrants    ReservationType = 7
	ExclusiveAccessAllRegistrants   ReservationType = 8
	reservationTypesMask            uint16          = 0xea01 // all of the above in REPORT CAPABILITIES' type mask
	reportCapabilitiesTypeMaskValid byte            = 0x80
)

// PersistentOutLength is the length in bytes of the basic parameter list of PERSISTENT RESERVE OUT.
const PersistentOutLength = 24

// PersistentOutParameters is the basic parameter list of PERSISTENT RESERVE OUT (SPC-4, Section 6.16.3).
type PersistentOutParameters struct {
	Key              uint64 // the key that the sender is registered with
	ServiceActionKey uint64 // the new key, or the key to preempt
	SpecifyPorts     bool   // SPEC_I_PT
	AllTargetPorts   bool   // ALL_TG_PT
	PersistPowerLoss bool   // APTPL
}

// Append appends PersistentOutLength bytes.
func (p PersistentOutParameters) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, p.Key)
	b = binary.BigEndian.AppendUint64(b, p.ServiceActionKey)
	return append(b, 0, 0, 0, 0, bit(p.SpecifyPorts, 3)|bit(p.AllTargetPorts, 2)|bit(p.PersistPowerLoss, 0), 0, 0, 0)
}

// ParsePersistentOut reads the parameter list of PERSISTENT RESERVE OUT.
func ParsePersistentOut(b []byte) (PersistentOutParameters, error) {
	if len(b) < PersistentOutLength {
		return PersistentOutParameters{}, &DataError{What: "PERSISTENT RESERVE OUT parameter list", Field: "length", Got: uint64(len(b)),
			Want: "24 bytes"}
	}
	return PersistentOutParameters{Key: binary.BigEndian.Uint64(b), ServiceActionKey: binary.BigEndian.Uint64(b[8:]),
		SpecifyPorts: b[20]&8 != 0, AllTargetPorts: b[20]&4 != 0, PersistPowerLoss: b[20]&1 != 0}, nil
}

// AppendKeys appends the answer to READ KEYS (SPC-4, Section 6.15.2).
func AppendKeys(b []byte, generation uint32, keys []uint64) []byte {
	b = binary.BigEndian.AppendUint32(b, generation)
	b = binary.BigEndian.AppendUint32(b, uint32(8*len(keys)))
	for _, key := range keys {
		b = binary.BigEndian.AppendUint64(b, key)
	}
	return b
}

// ParseKeys reads the answer to READ KEYS; keys that an allocation length cut are left out.
func ParseKeys(b []byte) (generation uint32, keys []uint64, err error) {
	if len(b) < 8 {
		return 0, nil, &DataError{What: "READ KEYS data", Field: "length", Got: uint64(len(b)), Want: "at least 8 bytes"}
	}
	list := b[8:min(uint64(len(b)), 8+uint64(binary.BigEndian.Uint32(b[4:])))]
	for ; len(list) >= 8; list = list[8:] {
		keys = append(keys, binary.BigEndian.Uint64(list))
	}
	return binary.BigEndian.Uint32(b), keys, nil
}

// Reservation is a persistent reservation as READ RESERVATION tells it (SPC-4, Section 6.15.3). For a type of all registrants the key is 0.
type Reservation struct {
	Key  uint64
	Type ReservationType
}

// AppendReservation appends the answer to READ RESERVATION; held is nil when there is none.
func AppendReservation(b []byte, generation uint32, held *Reservation) []byte {
	b = binary.BigEndian.AppendUint32(b, generation)
	if held == nil {
		return append(b, 0, 0, 0, 0)
	}
	b = append(b, 0, 0, 0, 16)
	b = binary.BigEndian.AppendUint64(b, held.Key)
	return append(b, 0, 0, 0, 0, 0, byte(held.Type)&0xf, 0, 0)
}

// ParseReservation reads the answer to READ RESERVATION; held is nil when there is none.
func ParseReservation(b []byte) (generation uint32, held *Reservation, err error) {
	if len(b) < 8 {
		return 0, nil, &DataError{What: "READ RESERVATION data", Field: "length", Got: uint64(len(b)), Want: "at least 8 bytes"}
	}
	generation = binary.BigEndian.Uint32(b)
	if binary.BigEndian.Uint32(b[4:]) < 16 {
		return generation, nil, nil
	}
	if len(b) < 24 {
		return generation, nil, &DataError{What: "READ RESERVATION data", Field: "length", Got: uint64(len(b)), Want: "at least 24 bytes"}
	}
	return generation, &Reservation{Key: binary.BigEndian.Uint64(b[8:]), Type: ReservationType(b[21] & 0xf)}, nil
}

// PersistentCapabilities is the answer to REPORT CAPABILITIES of a device that knows all reservation types (SPC-4, Section 6.15.4).
type PersistentCapabilities struct {
	CanPersist bool // PTPL_C: registrations can be kept over a loss of power
	Persists   bool // PTPL_A: they are, as the last registration asked for
}

// Append appends the eight bytes of the answer.
func (c PersistentCapabilities) Append(b []byte) []byte {
	b = append(b, 0, 8, bit(c.CanPersist, 0), reportCapabilitiesTypeMaskValid|bit(c.Persists, 0))
	b = binary.BigEndian.AppendUint16(b, reservationTypesMask)
	return append(b, 0, 0)
}

// PersistentMove is the parameter list of REGISTER AND MOVE (SPC-4, Section 6.16.4).
type PersistentMove struct {
	Key, ServiceActionKey uint64
	Unregister            bool   // UNREG: the sender's registration goes
	PersistPowerLoss      bool   // APTPL
	RelativePort          uint16 // the target port of the nexus that gets the reservation
	InitiatorPort         string // its initiator port: iSCSI name, ",i,0x" and the ISID in 12 hexadecimal digits
}

// Append appends the parameter list.
func (m PersistentMove) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, m.Key)
	b = binary.BigEndian.AppendUint64(b, m.ServiceActionKey)
	b = append(b, 0, bit(m.Unregister, 1)|bit(m.PersistPowerLoss, 0), byte(m.RelativePort>>8), byte(m.RelativePort))
	id := appendTransportID(nil, m.InitiatorPort)
	b = binary.BigEndian.AppendUint32(b, uint32(len(id)))
	return append(b, id...)
}

// ParsePersistentMove reads the parameter list of REGISTER AND MOVE. One without a whole iSCSI TransportID is a *DataError.
func ParsePersistentMove(b []byte) (PersistentMove, error) {
	if len(b) < PersistentOutLength || uint64(len(b)) < PersistentOutLength+uint64(binary.BigEndian.Uint32(b[20:])) {
		return PersistentMove{}, &DataError{What: "REGISTER AND MOVE parameter list", Field: "length", Got: uint64(len(b)), Want: "a whole TransportID"}
	}
	m := PersistentMove{Key: binary.BigEndian.Uint64(b), ServiceActionKey: binary.BigEndian.Uint64(b[8:]), Unregister: b[17]&2 != 0,
		PersistPowerLoss: b[17]&1 != 0, RelativePort: binary.BigEndian.Uint16(b[18:])}
	id := b[24 : 24+binary.BigEndian.Uint32(b[20:])]
	if len(id) < 24 || id[0]&0xf != ProtocolISCSI || len(id) < 4+int(binary.BigEndian.Uint16(id[2:])) {
		return m, &DataError{What: "REGISTER AND MOVE parameter list", Field: "length of the iSCSI TransportID", Got: uint64(len(id)), Want: "at least 24"}
	}
	m.InitiatorPort = text(id[4 : 4+int(binary.BigEndian.Uint16(id[2:]))])
	return m, nil
}

// Registrant is one registration as READ FULL STATUS tells it (SPC-4, Section 6.15.5).
type Registrant struct {
	Key           uint64
	Holder        bool // holds the reservation
	Type          ReservationType
	RelativePort  uint16 // of the target port
	InitiatorPort string // the iSCSI initiator port name: name, ",i,0x" and the ISID in 12 hexadecimal digits
}

// AppendFullStatus appends the answer to READ FULL STATUS, each registrant with an iSCSI TransportID of format code 01b (SPC-4,
// Section 7.6.4.6).
func AppendFullStatus(b []byte, generation uint32, registrants []Registrant) []byte {
	at := len(b)
	b = binary.BigEndian.AppendUint32(b, generation)
	b = append(b, 0, 0, 0, 0)
	for _, r := range registrants {
		b = r.append(b)
	}
	binary.BigEndian.PutUint32(b[at+4:], uint32(len(b)-at-8))
	return b
}

func (r Registrant) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, r.Key)
	kind := byte(0)
	if r.Holder {
		kind = byte(r.Type) & 0xf
	}
	b = append(b, 0, 0, 0, 0, bit(r.Holder, 0), kind, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, r.RelativePort)
	id := appendTransportID(nil, r.InitiatorPort)
	b = binary.BigEndian.AppendUint32(b, uint32(len(id)))
	return append(b, id...)
}

// appendTransportID appends an iSCSI TransportID of format code 01b (SPC-4, Section 7.6.4.6).
func appendTransportID(b []byte, initiatorPort string) []byte {
	name := scsiName(initiatorPort)
	for len(name) < 20 {
		name = append(name, 0) // the standard's least length of the additional part
	}
	b = append(b, 0x40|ProtocolISCSI, 0, byte(len(name)>>8), byte(len(name)))
	return append(b, name...)
}

// ParseFullStatus reads the answer to READ FULL STATUS. InitiatorPort is the text of an iSCSI TransportID of either format; a TransportID of
// another protocol leaves it empty. A descriptor that the end of the data cuts is a *DataError, beside those before it.
func ParseFullStatus(b []byte) (generation uint32, registrants []Registrant, err error) {
	if len(b) < 8 {
		return 0, nil, &DataError{What: "READ FULL STATUS data", Field: "length", Got: uint64(len(b)), Want: "at least 8 bytes"}
	}
	generation = binary.BigEndian.Uint32(b)
	list := b[8:min(uint64(len(b)), 8+uint64(binary.BigEndian.Uint32(b[4:])))]
	for len(list) > 0 {
		if len(list) < 24 || uint64(len(list)) < 24+uint64(binary.BigEndian.Uint32(list[20:])) {
			return generation, registrants, &DataError{What: "READ FULL STATUS data", Field: "bytes of the last descriptor", Got: uint64(len(list)),
				Want: "a whole descriptor"}
		}
		id := list[24 : 24+binary.BigEndian.Uint32(list[20:])]
		r := Registrant{Key: binary.BigEndian.Uint64(list), Holder: list[12]&1 != 0, Type: ReservationType(list[13] & 0xf),
			RelativePort: binary.BigEndian.Uint16(list[18:])}
		if len(id) > 4 && id[0]&0xf == ProtocolISCSI {
			r.InitiatorPort = text(id[4:])
		}
		registrants = append(registrants, r)
		list = list[24+len(id):]
	}
	return generation, registrants, nil
}
