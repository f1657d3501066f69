package iscsi

// SNLess reports whether serial number a precedes b, as CmdSN and its kin are compared: modulo 2^32, with the half of
// the circle that follows a counting as later (RFC 7143, Section 4.2.2.1, after RFC 1982). Two numbers exactly half a
// circle apart are not ordered: SNLess is false for both orders.
func SNLess(a, b uint32) bool {
	distance := b - a
	return distance != 0 && distance < 1<<31
}

// SNLessEq reports whether serial number a precedes b or equals it.
func SNLessEq(a, b uint32) bool { return a == b || SNLess(a, b) }

// SNMax returns the later of two serial numbers; a when they are not ordered.
func SNMax(a, b uint32) uint32 {
	if SNLess(a, b) {
		return b
	}
	return a
}
