package text

// Split cuts the text of p into data segments of at most maxLength bytes, for a sequence of PDUs of which all but the
// last have the C bit set (RFC 7143, Section 6.1). Pairs may be cut anywhere. There is always one part at least, which
// is empty when there are no pairs. A maxLength below 1 means no bound.
func Split(p Pairs, maxLength int) [][]byte {
	rest := p.Append(make([]byte, 0, p.Length()))
	if maxLength < 1 {
		return [][]byte{rest}
	}
	var parts [][]byte
	for len(rest) > maxLength {
		parts = append(parts, rest[:maxLength:maxLength])
		rest = rest[maxLength:]
	}
	return append(parts, rest)
}

// Default limits of an Assembler. The RFC asks for 8192 bytes, and for 65536 where authentication methods with long
// items are used.
const (
	DefaultMaxTextBytes = 64 << 10
	DefaultMaxTextParts = 1024
)

// Assembler puts the parts of one text together that came with the C bit set. The zero value is ready for use.
type Assembler struct {
	// MaxBytes and MaxParts bound one text; 0 means DefaultMaxTextBytes and DefaultMaxTextParts.
	MaxBytes, MaxParts int

	buffer []byte
	parts  int
}

// Add takes a data segment and its C bit. With continues set it keeps the bytes and returns done false; without, it
// returns the pairs of the whole text and is ready for the next one. Errors are *LimitError, after which the text is
// dropped, and those of Parse, which come with the pairs that could be read.
func (a *Assembler) Add(data []byte, continues bool) (pairs Pairs, done bool, err error) {
	maxBytes, maxParts := a.limits()
	a.parts++
	switch {
	case len(a.buffer)+len(data) > maxBytes:
		err = &LimitError{What: "bytes", Limit: maxBytes, Got: len(a.buffer) + len(data)}
	case a.parts > maxParts:
		err = &LimitError{What: "parts", Limit: maxParts, Got: a.parts}
	}
	if err != nil {
		a.buffer, a.parts = nil, 0
		return nil, false, err
	}
	if continues {
		a.buffer = append(a.buffer, data...)
		return nil, false, nil
	}
	if a.parts > 1 {
		data = append(a.buffer, data...)
	}
	a.buffer, a.parts = nil, 0
	pairs, err = Parse(data)
	return pairs, true, err
}

// Pending returns how many bytes wait for the rest of their text.
func (a *Assembler) Pending() int { return len(a.buffer) }

func (a *Assembler) limits() (maxBytes, maxParts int) {
	maxBytes, maxParts = a.MaxBytes, a.MaxParts
	if maxBytes == 0 {
		maxBytes = DefaultMaxTextBytes
	}
	if maxParts == 0 {
		maxParts = DefaultMaxTextParts
	}
	return maxBytes, maxParts
}
