package disk

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/iscsispec/iscsispec/scsi"
)

func fileConfig(t *testing.T) Config {
	return Config{Blocks: 64 << 11, Store: Store{Kind: StoreFile, Path: filepath.Join(t.TempDir(), "disk")}}
}

func TestAFileSurvivesItsDisk(t *testing.T) {
	c := fileConfig(t)
	d := newDisk(t, c)
	data := bytes.Repeat([]byte{0xa5}, 4096)
	wantGood(t, do(d, alice, scsi.Write10(1000, 8), data...))
	wantGood(t, do(d, alice, scsi.SynchronizeCache10(0, 0)))
	if _, err := New(c); runtime.GOOS == "linux" && err == nil {
		t.Error("a second disk takes the same file")
	}
	for range 2 { // twice is lawful
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	wantCheck(t, do(d, alice, scsi.Read10(0, 1)), scsi.MediumError, scsi.UnrecoveredReadError)
	wantCheck(t, do(d, alice, scsi.Write10(0, 1), make([]byte, 512)...), scsi.MediumError, scsi.WriteError)
	d = newDisk(t, c)
	defer d.Close()
	if got := do(d, alice, scsi.Read10(1000, 8)).DataIn; !bytes.Equal(got, data) {
		t.Error("what was written is gone")
	}
	if got := do(d, alice, scsi.Read10(131071, 1)).DataIn; !isZero(got) {
		t.Error("the last block is not zeros")
	}
}

func TestAFileIsSparseAndUnmapMakesHoles(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("holes are made on Linux")
	}
	c := fileConfig(t)
	d := newDisk(t, c)
	defer d.Close()
	taken := func() uint64 {
		t.Helper()
		file, err := os.Open(c.Store.Path)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		n, err := allocated(file)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	info, err := os.Stat(c.Store.Path)
	if err != nil || info.Size() != 64<<20 || taken() > 1<<16 {
		t.Fatalf("a new file has %v and takes %d bytes: %v", info, taken(), err)
	}
	wantGood(t, do(d, alice, scsi.Write10(0, 2048), bytes.Repeat([]byte{1}, 1<<20)...))
	if taken() < 1<<20 {
		t.Errorf("a MiB takes %d bytes", taken())
	}
	status := func(lba uint64) (uint32, byte) {
		b := do(d, alice, scsi.GetLBAStatus(lba, 24)).DataIn
		return uint32(b[16])<<24 | uint32(b[17])<<16 | uint32(b[18])<<8 | uint32(b[19]), b[20]
	}
	wantGood(t, do(d, alice, scsi.Unmap(24), scsi.AppendUnmapList(nil, []scsi.Extent{{LBA: 0, Blocks: 1024}})...))
	if taken() > 3<<18 {
		t.Errorf("half a MiB takes %d bytes", taken())
	}
	if blocks, state := status(0); blocks != 1024 || state != byte(scsi.Deallocated) {
		t.Errorf("LBA 0: %d blocks in state %d", blocks, state)
	}
	if blocks, state := status(1024); blocks != 1024 || state != byte(scsi.Mapped) {
		t.Errorf("LBA 1024: %d blocks in state %d", blocks, state)
	}
	erase := []byte{byte(scsi.OpSanitize), scsi.ServiceActionSanitizeBlockErase, 0, 0, 0, 0, 0, 0, 0, 0}
	wantGood(t, do(d, alice, erase))
	if taken() > 1<<16 {
		t.Errorf("an erased file takes %d bytes", taken())
	}
}

// Where no holes can be made, zeros are written over what is none.
func TestWriteZerosLeavesNothing(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "disk"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.Write(bytes.Repeat([]byte{7}, 700<<10)); err != nil {
		t.Fatal(err)
	}
	if err := writeZeros(file, 100<<10, 650<<10); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(file.Name())
	if err != nil || !bytes.Equal(got[:100<<10], bytes.Repeat([]byte{7}, 100<<10)) || !isZero(got[100<<10:]) {
		t.Errorf("zeroing went wrong: %v", err)
	}
}

func TestAFileKeepsItsLimit(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("how much a file takes is known on Linux")
	}
	c := fileConfig(t)
	c.MaxStoredBytes = 1 << 20
	d := newDisk(t, c)
	defer d.Close()
	half := make([]byte, 1<<19)
	half[0] = 1
	wantGood(t, do(d, alice, scsi.Write10(0, 1024), half...))
	full := append(half, half...)
	wantCheck(t, do(d, alice, scsi.Write10(4096, 2048), full...), scsi.DataProtect, scsi.SpaceAllocationFailed)
	wantCheck(t, do(d, alice, scsi.WriteSame10(0, 0), full[:512]...), scsi.DataProtect, scsi.SpaceAllocationFailed)
	if got := do(d, alice, scsi.Read10(4096, 2048)).DataIn; !isZero(got) {
		t.Error("a refused write left something")
	}
}

func TestFilesThatCannotBe(t *testing.T) {
	var bad *ConfigError
	for _, c := range []Config{{Blocks: 8, Store: Store{Kind: StoreFile}}, {Blocks: 8, Store: Store{Path: "x"}}, {Blocks: 8, Store: Store{Kind: "tape"}},
		{Blocks: 8, Store: Store{Kind: StoreFile, Path: "x"}, Content: Pattern{}}, {Blocks: 8, MaxStoredBytes: -1}, {Blocks: 8, PhysicalExponent: 8}} {
		if _, err := New(c); !errors.As(err, &bad) {
			t.Errorf("%+v: got %v, want a ConfigError", c, err)
		}
	}
	large := filepath.Join(t.TempDir(), "large")
	if err := os.WriteFile(large, make([]byte, 8192), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{large, t.TempDir(), filepath.Join(t.TempDir(), "none", "disk")} {
		if d, err := New(Config{Blocks: 8, Store: Store{Kind: StoreFile, Path: path}}); err == nil {
			t.Errorf("%s is taken", path)
			d.Close()
		}
	}
}

func TestANullDiskForgets(t *testing.T) {
	d := newDisk(t, Config{Content: Pattern{Seed: 5}, Store: Store{Kind: StoreNull}})
	wantGood(t, do(d, alice, scsi.Write10(7, 2), make([]byte, 1024)...))
	wantGood(t, do(d, alice, scsi.WriteSame10(0, 0), make([]byte, 512)...))
	if at := (Pattern{Seed: 5}).Check(do(d, alice, scsi.Read10(7, 2)).DataIn, 7, 512); at >= 0 {
		t.Errorf("the pattern differs at %d", at)
	}
	wantCheck(t, do(d, alice, scsi.Unmap(8), make([]byte, 8)...), scsi.IllegalRequest, scsi.InvalidOpcode)
	c, err := scsi.ParseCapacity16(do(d, alice, scsi.ReadCapacity16(32)).DataIn)
	if err != nil || c.Provisioning || c.ReadZeros {
		t.Errorf("a null disk claims to be thin: %+v, %v", c, err)
	}
}
