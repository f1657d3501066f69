package scripted

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/iscsispec/iscsispec/iscsi/text"
)

// arrayCHAP is the array's side of CHAP with MD5 (RFC 7143, Section 12.1.3; RFC 1994, Section 4.1). It proves nothing wrong by itself and
// believes every proof: whether the initiator's is right is for the judge.
type arrayCHAP struct {
	identifier byte
	challenge  []byte
	// What the initiator has said.
	name, response, theirs string
	theirIdentifier        byte
}

// newArrayCHAP draws the challenge of a connection from its number.
func newArrayCHAP(number int) arrayCHAP {
	sum := md5.Sum([]byte{'c', byte(number)})
	return arrayCHAP{identifier: byte(17 * number), challenge: sum[:]}
}

// hexOf writes a binary value in hexadecimal.
func hexOf(b []byte) string { return "0x" + hex.EncodeToString(b) }

// binaryOf reads a binary value in hexadecimal or base64 (RFC 7143, Section 6.1).
func binaryOf(s string) ([]byte, bool) {
	if len(s) < 2 || s[0] != '0' {
		return nil, false
	}
	digits := s[2:]
	switch s[1] {
	case 'x', 'X':
		if len(digits)%2 == 1 {
			digits = "0" + digits
		}
		b, err := hex.DecodeString(digits)
		return b, err == nil && len(b) > 0
	case 'b', 'B':
		b, err := base64.StdEncoding.DecodeString(digits)
		return b, err == nil && len(b) > 0
	}
	return nil, false
}

// proof is the response of who knows a secret.
func proof(identifier byte, secret string, challenge []byte) []byte {
	sum := md5.Sum(append(append([]byte{identifier}, secret...), challenge...))
	return sum[:]
}

// step takes what the initiator says and adds the array's next message.
func (c *arrayCHAP) step(pairs text.Pairs, answer *soundAnswer, mutual bool) {
	if _, begins := pairs.Get("CHAP_A"); begins {
		answer.transit, answer.nsg = false, 0
		answer.pairs = append(answer.pairs, text.Pairs{
			{Key: "CHAP_A", Value: "5"}, {Key: "CHAP_I", Value: strconv.Itoa(int(c.identifier))}, {Key: "CHAP_C", Value: hexOf(c.challenge)},
		}...)
		return
	}
	response, proves := pairs.Get("CHAP_R")
	if !proves {
		return
	}
	c.response = response
	c.name, _ = pairs.Get("CHAP_N")
	c.theirs, _ = pairs.Get("CHAP_C")
	id, _ := pairs.Get("CHAP_I")
	n, _ := numberOf(id)
	c.theirIdentifier = byte(n)
	if mutual {
		answer.pairs = append(answer.pairs, text.Pairs{{Key: "CHAP_N", Value: arrayUser}, {Key: "CHAP_R", Value: hexOf(c.right(arraySecret))}}...)
	}
}

// right is the response to the initiator's challenge with a secret.
func (c *arrayCHAP) right(secret string) []byte {
	challenge, _ := binaryOf(c.theirs)
	return proof(c.theirIdentifier, secret, challenge)
}

// word gives the words about CHAP their values.
func (c *arrayCHAP) word(word string) (string, bool) {
	right := c.right(arraySecret)
	switch word {
	case "c":
		return hexOf(c.challenge), true
	case "c64":
		return "0b" + base64.StdEncoding.EncodeToString(c.challenge), true
	case "cupper":
		return "0X" + strings.ToUpper(hex.EncodeToString(c.challenge)), true
	case "own.c":
		return c.theirs, true
	case "own.r":
		return c.response, true
	case "own.n":
		return c.name, true
	case "right":
		return hexOf(right), true
	case "right64":
		return "0b" + base64.StdEncoding.EncodeToString(right), true
	case "flipped":
		right[5] ^= 1
		return hexOf(right), true
	case "short":
		return hexOf(right[:15]), true
	case "long":
		return hexOf(append(right, 0)), true
	case "reflected":
		return hexOf(c.right(initiatorSecret)), true
	case "long.c":
		return "0x" + strings.Repeat("5a", 1024), true
	case "longer.c":
		return "0x" + strings.Repeat("5a", 1025), true
	}
	return "", false
}
