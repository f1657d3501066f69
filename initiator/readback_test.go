package initiator_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/iscsispec/iscsispec/initiator"
)

// diskBytes is how much of a disk is written and read back.
const diskBytes = 32 << 20

// readBack fills the disk in pieces of random size and reads it back in other pieces.
func readBack(t *testing.T, s *initiator.Session, lun, seed uint64) {
	ready := &initiator.Request{LUN: lun, CDB: make([]byte, 6)}
	if err := s.Do(t.Context(), ready); err != nil || ready.Status == 2 && len(ready.Sense) < 14 {
		t.Fatalf("test unit ready: %v, %x", err, ready.Sense) // The first command may meet a unit attention.
	}
	want, got := make([]byte, diskBytes), make([]byte, diskBytes)
	_, _ = rand.NewChaCha8([32]byte{byte(seed)}).Read(want)
	sizes := rand.New(rand.NewPCG(seed, 1))
	pieces(t, s, lun, sizes, func(r *initiator.Request, from, to int) { r.CDB[0], r.Write = 0x2a, want[from:to] })
	pieces(t, s, lun, sizes, func(r *initiator.Request, from, to int) { r.CDB[0], r.Read = 0x28, got[from:to] })
	if !bytes.Equal(got, want) {
		t.Error("the disk returned other bytes than were written")
	}
}

// pieces covers the disk by requests of random size, 16 at a time.
func pieces(t *testing.T, s *initiator.Session, lun uint64, sizes *rand.Rand, fill func(r *initiator.Request, from, to int)) {
	const depth = 16
	done := make(chan string, depth)
	open := 0
	for from := 0; from < diskBytes || open > 0; {
		if open == depth || from == diskBytes {
			if fault := <-done; fault != "" {
				t.Fatal(fault)
			}
			open--
			continue
		}
		to := min(diskBytes, from+512*(1+sizes.IntN(1200)))
		r := &initiator.Request{LUN: lun, CDB: make([]byte, 10), Done: func(r *initiator.Request) { done <- fault(r) }}
		binary.BigEndian.PutUint32(r.CDB[2:], uint32(from/512))
		binary.BigEndian.PutUint16(r.CDB[7:], uint16((to-from)/512))
		fill(r, from, to)
		s.Submit(r)
		from, open = to, open+1
	}
}

func fault(r *initiator.Request) string {
	if r.Err == nil && r.Status == 0 && r.Transferred == len(r.Read)+len(r.Write) {
		return ""
	}
	return fmt.Sprintf("CDB %x: %v, status %d, sense %x, transferred %d", r.CDB, r.Err, r.Status, r.Sense, r.Transferred)
}
