package pdu

// String gives the frame in one line, as ladders show it.
func (f *Frame) String() string { return f.Opcode().String() }
