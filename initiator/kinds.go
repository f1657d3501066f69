package initiator

import "fmt"

// Kind says what a managed session is for. On the wire only two session types
// exist (RFC 7143, Section 13.21); the finer distinction is the host's.
type Kind uint8

// The four kinds of a managed session. The zero Kind is none of them and is
// refused, so that a forgotten field never becomes a data session.
const (
	// Discovery carries SendTargets and nothing else, has no devices, and is
	// never re-established after a loss.
	Discovery Kind = iota + 1
	// Informational answers management queries (INQUIRY, REPORT LUNS, READ
	// CAPACITY and any other command by request); its units never become devices.
	Informational
	// Data surfaces the target's units as devices.
	Data
	// Boot is a data session one unit of which is the boot device.
	Boot
)

// Kinds returns the four kinds in their fixed order.
func Kinds() []Kind { return []Kind{Discovery, Informational, Data, Boot} }

// String returns the kind's name as listings and plans write it.
func (k Kind) String() string {
	switch k {
	case Discovery:
		return "discovery"
	case Informational:
		return "informational"
	case Data:
		return "data"
	case Boot:
		return "boot"
	default:
		return fmt.Sprintf("kind %d", uint8(k))
	}
}

// ParseKind reads a kind by its name. The error of an unknown name matches
// ErrNotSupported.
func ParseKind(name string) (Kind, error) {
	for _, k := range Kinds() {
		if k.String() == name {
			return k, nil
		}
	}
	return 0, &KindError{Name: name}
}

// Valid reports whether k is one of the four kinds.
func (k Kind) Valid() bool { return k >= Discovery && k <= Boot }

// Reconnects reports whether a lost session of this kind is re-established.
// A discovery session is not: whoever wants its answer asks again.
func (k Kind) Reconnects() bool { return k == Informational || k == Data || k == Boot }

// HasDevices reports whether units seen through a session of this kind become
// devices.
func (k Kind) HasDevices() bool { return k == Data || k == Boot }

// TakesCommands reports whether SCSI commands may be sent through a session of
// this kind.
func (k Kind) TakesCommands() bool { return k.Reconnects() }

// placeClass maps kinds to the classes of which one initiator port keeps one
// session to a target portal group: boot counts as data, because both surface
// the same units.
func (k Kind) placeClass() Kind {
	if k == Boot {
		return Data
	}
	return k
}

// KindError refuses a login whose kind is none of the four.
type KindError struct {
	// Name is the kind as it was asked for.
	Name string
}

// Error names the kind that came and the ones that exist.
func (e *KindError) Error() string {
	return fmt.Sprintf("session kind %q is not supported: want discovery, informational, data or boot", e.Name)
}

// Is makes the error match ErrNotSupported.
func (e *KindError) Is(target error) bool { return target == ErrNotSupported }
