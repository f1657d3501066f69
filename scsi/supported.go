package scsi

import "encoding/binary"

// CommandUsage is what REPORT SUPPORTED OPERATION CODES tells of one command: its operation code, its service action, and a CDB in which
// every bit that the device looks at is set (SPC-4, Section 6.35.3).
type CommandUsage struct {
	Opcode           Opcode
	HasServiceAction bool
	ServiceAction    uint16
	Usage            []byte
	Recommended      uint32 // recommended command timeout, seconds; 0 tells none
}

// Reporting options of REPORT SUPPORTED OPERATION CODES (SPC-4, Section 6.35.1).
const (
	ReportAllCommands       byte = 0
	ReportByOpcode          byte = 1
	ReportByServiceAction   byte = 2
	ReportByEither          byte = 3
	commandNotSupported     byte = 1 // SUPPORT 001b
	commandSupportedByNorms byte = 3 // SUPPORT 011b: as a standard has it
)

// timeoutsLength is the length in bytes of a command timeouts descriptor.
const timeoutsLength = 12

// appendTimeouts appends the command timeouts descriptor (SPC-4, Section 6.35.4), without a nominal processing time.
func (c *CommandUsage) appendTimeouts(b []byte) []byte {
	b = append(b, 0, timeoutsLength-2, 0, 0, 0, 0, 0, 0)
	return binary.BigEndian.AppendUint32(b, c.Recommended)
}

// AppendSupportedOpcodes appends the all_commands form of the parameter data: eight bytes a command, and with timeouts twelve more.
func AppendSupportedOpcodes(b []byte, commands []CommandUsage, timeouts bool) []byte {
	length := 8
	if timeouts {
		length += timeoutsLength
	}
	b = binary.BigEndian.AppendUint32(b, uint32(length*len(commands)))
	for _, c := range commands {
		b = append(b, byte(c.Opcode), 0, byte(c.ServiceAction>>8), byte(c.ServiceAction), 0, bit(timeouts, 1)|bit(c.HasServiceAction, 0), 0,
			byte(len(c.Usage)))
		if timeouts {
			b = c.appendTimeouts(b)
		}
	}
	return b
}

// AppendSupportedOpcode appends the one_command form of the parameter data; command is nil for one that is not supported.
func AppendSupportedOpcode(b []byte, command *CommandUsage, timeouts bool) []byte {
	if command == nil {
		return append(b, 0, commandNotSupported, 0, 0)
	}
	b = append(b, 0, bit(timeouts, 7)|commandSupportedByNorms, 0, byte(len(command.Usage)))
	b = append(b, command.Usage...)
	if timeouts {
		b = command.appendTimeouts(b)
	}
	return b
}

// ParseSupportedOpcodes reads the all_commands form, with or without timeouts descriptors; CDB usage data are not part of it. What an
// allocation length cut is left out.
func ParseSupportedOpcodes(b []byte) ([]CommandUsage, error) {
	if len(b) < 4 {
		return nil, &DataError{What: "REPORT SUPPORTED OPERATION CODES data", Field: "length", Got: uint64(len(b)), Want: "at least 4 bytes"}
	}
	list := b[4:min(uint64(len(b)), 4+uint64(binary.BigEndian.Uint32(b)))]
	var commands []CommandUsage
	for len(list) >= 8 {
		commands = append(commands, CommandUsage{Opcode: Opcode(list[0]), HasServiceAction: list[5]&1 != 0,
			ServiceAction: binary.BigEndian.Uint16(list[2:])})
		length := 8
		if list[5]&2 != 0 {
			length += timeoutsLength
		}
		list = list[min(length, len(list)):]
	}
	return commands, nil
}
