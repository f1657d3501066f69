package chap

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"fmt"
	"hash"
	"strings"

	"github.com/iscsispec/iscsispec/iscsi"
)

// Algorithm is a number of the key CHAP_A.
type Algorithm byte

// The algorithms that IANA has registered for CHAP and that iSCSI uses. Every implementation has MD5 (RFC 7143,
// Section 12.1.3).
const (
	MD5     Algorithm = 5
	SHA1    Algorithm = 6
	SHA256  Algorithm = 7
	SHA3256 Algorithm = 8
)

// String returns the algorithm's name.
func (a Algorithm) String() string {
	switch a {
	case MD5:
		return "MD5"
	case SHA1:
		return "SHA1"
	case SHA256:
		return "SHA-256"
	case SHA3256:
		return "SHA3-256"
	}
	return fmt.Sprintf("algorithm %d", byte(a))
}

// ParseAlgorithm finds an algorithm by its name, as in the argument auth of a URL.
func ParseAlgorithm(name string) (Algorithm, error) {
	for _, a := range []Algorithm{MD5, SHA1, SHA256, SHA3256} {
		if strings.EqualFold(a.String(), name) {
			return a, nil
		}
	}
	return 0, fmt.Errorf("CHAP algorithm %q: expected MD5, SHA1, SHA-256 or SHA3-256", name)
}

func (a Algorithm) new() hash.Hash {
	switch a {
	case MD5:
		return md5.New()
	case SHA1:
		return sha1.New()
	case SHA256:
		return sha256.New()
	case SHA3256:
		return sha3.New256()
	}
	return nil
}

// Supported tells whether responses can be computed with the algorithm.
func (a Algorithm) Supported() bool { return a.new() != nil }

// ResponseLength returns the length of a response in bytes, 0 for an algorithm that is not supported.
func (a Algorithm) ResponseLength() int {
	if h := a.new(); h != nil {
		return h.Size()
	}
	return 0
}

// Response computes the answer to a challenge: the hash of the identifier, the secret and the challenge (RFC 1994,
// Section 4.1). It returns nil for an algorithm that is not supported.
func Response(a Algorithm, identifier byte, secret iscsi.Secret, challenge []byte) []byte {
	h := a.new()
	if h == nil {
		return nil
	}
	h.Write([]byte{identifier})
	h.Write([]byte(secret.Reveal()))
	h.Write(challenge)
	return h.Sum(nil)
}
