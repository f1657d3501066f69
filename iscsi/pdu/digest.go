package pdu

import "hash/crc32"

// Digests says which digests a connection uses. RFC 7143, Section 11.2.3.
type Digests struct {
	Header bool // HeaderDigest=CRC32C was agreed
	Data   bool // DataDigest=CRC32C was agreed
}

// castagnoli makes the standard library use the processor's CRC32C instruction.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Checksum gives the CRC32C of the parts joined together. On the wire its least significant byte comes first: what RFC 7143,
// Section 13.1 says about bit order comes out as little-endian, as the vectors of RFC 3720, Appendix B.4 show.
func Checksum(parts ...[]byte) uint32 {
	var sum uint32
	for _, p := range parts {
		sum = crc32.Update(sum, castagnoli, p)
	}
	return sum
}
