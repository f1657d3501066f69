package fuzz

import (
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"
)

// isids are what Header.ISID picks from.
var isids = [8][6]byte{
	{0x80, 0x46, 0x5a, 0, 0, 1}, {0x80, 0x46, 0x5a, 0, 0, 2}, {0x80, 0x46, 0x5a, 0, 0, 3}, {0x80, 0x46, 0x5a, 0, 0, 4},
	{0x00, 0x02, 0x3d, 0, 0, 5}, {0x40, 0x00, 0x01, 0x37, 0, 6}, {0x80, 0x46, 0x5a, 0, 0xff, 0xff}, {0xc0, 0x46, 0x5a, 0, 0, 8},
}

// unknownHandle is a TSIH that no session has.
const unknownHandle = 0xbeef

// word gives the words of templates their values on a connection:
//
//	{i1} {i2} {i3}  initiator names; {i1:N} is lengthened to N bytes
//	{target}        the name of the target under test, {target:N} likewise; {absent} that of none
//	{user}          the initiator's CHAP name
//	{bytes:N}       N bytes in hexadecimal, not the same on two connections
//	{chap.r}        the right response to the challenge, in lower-case hexadecimal; {chap.r:upper}, {chap.r:base64} and {chap.r:bare}
//	{chap.wrong}    the same with one bit inverted
//	{chap.old}      the last right response that was sent before in the flow
//	{chap.c}        the target's own challenge
func (r *run) word(c *conn) Names {
	return func(word string) (string, bool) {
		name, option, _ := strings.Cut(word, ":")
		n, _ := strconv.Atoi(option)
		switch name {
		case "i1", "i2", "i3":
			return lengthened(r.set.Initiators[name[1]-'1'], n), true
		case "target":
			return lengthened(r.set.Target, n), true
		case "absent":
			return r.set.Absent, true
		case "user":
			return r.set.User, true
		case "bytes":
			return "0x" + hex.EncodeToString(filler(c.number, min(n, 4096))), true
		case "chap.c":
			return "0x" + hex.EncodeToString(c.chap.challenge), true
		case "chap.old":
			return r.oldResponse, true
		case "chap.r":
			return r.response(c, option, false), true
		case "chap.wrong":
			return r.response(c, option, true), true
		}
		return "", false
	}
}

// lengthened fills a name up to n bytes.
func lengthened(name string, n int) string {
	if n > len(name) && n <= 4096 {
		return name + strings.Repeat("x", n-len(name))
	}
	return name
}

// filler is n bytes that belong to a connection.
func filler(number, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(17*number + 31*i + i>>8)
	}
	return b
}

// response writes the response to the challenge that was received last.
func (r *run) response(c *conn, form string, wrong bool) string {
	b := proof(c.chap.algorithm, c.chap.identifier, r.set.Secret, c.chap.challenge)
	if b == nil {
		b = filler(c.number, 16)
	}
	if wrong {
		b[0] ^= 1
	} else {
		r.oldResponse = "0x" + hex.EncodeToString(b)
	}
	switch form {
	case "upper":
		return "0X" + strings.ToUpper(hex.EncodeToString(b))
	case "base64":
		return "0b" + base64.StdEncoding.EncodeToString(b)
	case "bare":
		return hex.EncodeToString(b)
	}
	return "0x" + hex.EncodeToString(b)
}
