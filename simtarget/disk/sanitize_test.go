package disk

import (
	"bytes"
	"testing"

	"github.com/iscsispec/iscsispec/scsi"
)

func TestSanitize(t *testing.T) {
	for name, content := range map[string]Content{"zeros": Zeros{}, "pattern": Pattern{}} {
		t.Run(name, func(t *testing.T) {
			d := newDisk(t, Config{Content: content})
			sanitize := func(action byte, list ...byte) *Task {
				cdb := make10(scsi.OpSanitize)
				cdb[1], cdb[8] = action, byte(len(list))
				return do(d, alice, cdb, list...)
			}
			wantGood(t, do(d, alice, scsi.Write10(5, 1), bytes.Repeat([]byte{9}, 512)...))
			wantGood(t, sanitize(scsi.ServiceActionSanitizeBlockErase))
			if got := do(d, alice, scsi.Read10(0, 2048)).DataIn; !isZero(got) {
				t.Error("erased blocks are not zeros")
			}
			for _, c := range []struct{ flags, want byte }{{1, 0x5a}, {2, 0x5a}, {0x82, 0xa5}, {0x83, 0x5a}} {
				wantGood(t, sanitize(scsi.ServiceActionSanitizeOverwrite, c.flags, 0, 0, 1, 0x5a))
				if got := do(d, alice, scsi.Read10(0, 2048)).DataIn; !bytes.Equal(got, bytes.Repeat([]byte{c.want}, 1<<20)) {
					t.Errorf("flags %#x leave %#x, want %#x", c.flags, got[0], c.want)
				}
			}
			wantGood(t, sanitize(scsi.ServiceActionSanitizeCryptoErase))
			if got := do(d, alice, scsi.Read10(0, 2048)).DataIn; !isZero(got) {
				t.Error("erased blocks are not zeros")
			}
			wantGood(t, sanitize(scsi.ServiceActionSanitizeExitFailure))
			d.SetReadOnly(true, false)
			wantCheck(t, sanitize(scsi.ServiceActionSanitizeBlockErase), scsi.DataProtect, scsi.WriteProtected)
		})
	}
}
