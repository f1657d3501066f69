package initiator_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/iscsispec/iscsispec/initiator"
)

// ownDisk opens the first disk of the array.
func ownDisk(t *testing.T, profile string) (*initiator.Disk, *initiator.Session) {
	t.Helper()
	s := ownLogin(t, ownArray(t, profile), nil)
	t.Cleanup(func() {
		s.Close()
		<-s.Done()
	})
	d, err := initiator.OpenDisk(t.Context(), s, 0, initiator.DiskOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return d, s
}

func TestDiskCarriesStreams(t *testing.T) {
	d, s := ownDisk(t, "plain")
	want := make([]byte, 5<<20+512)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(want)
	// The source hands out odd pieces, with the end beside the last of them.
	source := iotest.DataErrReader(io.MultiReader(bytes.NewReader(want[:1000]), iotest.HalfReader(bytes.NewReader(want[1000:]))))
	if n, err := d.WriteFrom(t.Context(), source, 512); err != nil || n != int64(len(want)) {
		t.Fatalf("%d, %v", n, err)
	}
	if err := d.Flush(t.Context()); err != nil {
		t.Error(err)
	}
	var got bytes.Buffer
	if n, err := d.ReadTo(t.Context(), &got, 512, int64(len(want))); err != nil || n != int64(len(want)) || !bytes.Equal(got.Bytes(), want) {
		t.Fatalf("%d, %v, the same: %v", n, err, bytes.Equal(got.Bytes(), want))
	}
	if err := s.Logout(t.Context()); err != nil {
		t.Error(err)
	}
	var failed *initiator.TransferError
	if _, err := d.ReadTo(t.Context(), io.Discard, 0, 512); !errors.As(err, &failed) || !errors.Is(err, initiator.ErrLoggedOut) {
		t.Errorf("after the logout: %v", err)
	}
}

func TestDiskIsAReaderAtAndAWriterAt(t *testing.T) {
	d, _ := ownDisk(t, "plain")
	want := make([]byte, 3<<20)
	_, _ = rand.NewChaCha8([32]byte{2}).Read(want)
	if n, err := d.WriteAt(want, d.Size()-int64(len(want))); err != nil || n != len(want) {
		t.Fatalf("%d, %v", n, err)
	}
	// ReadAll asks for pieces of all sizes.
	got, err := io.ReadAll(io.NewSectionReader(d, d.Size()-int64(len(want)), 4<<20))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	middle := make([]byte, 1000)
	if n, err := d.ReadAt(middle, d.Size()-3000); n != 1000 || err != nil || !bytes.Equal(middle, want[len(want)-3000:][:1000]) {
		t.Errorf("in the middle: %d, %v", n, err)
	}
	if n, err := d.ReadAt(make([]byte, 512), d.Size()); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %d, %v", n, err)
	}
	if n, err := d.ReadAt(nil, 0); n != 0 || err != nil {
		t.Errorf("nothing: %d, %v", n, err)
	}
}

func TestDiskRefusesWhatDoesNotFit(t *testing.T) {
	d, _ := ownDisk(t, "plain")
	block := make([]byte, 512)
	for name, f := range map[string]func() (int64, error){
		"offset":       func() (int64, error) { return d.ReadTo(t.Context(), io.Discard, 100, 512) },
		"negative":     func() (int64, error) { n, err := d.ReadAt(block, -512); return int64(n), err },
		"length":       func() (int64, error) { n, err := d.WriteAt(block[:100], 0); return int64(n), err },
		"beyond":       func() (int64, error) { n, err := d.WriteAt(block, d.Size()); return int64(n), err },
		"odd source":   func() (int64, error) { return d.WriteFrom(t.Context(), strings.NewReader("odd"), 0) },
		"large source": func() (int64, error) { return d.WriteFrom(t.Context(), bytes.NewReader(block), d.Size()) },
	} {
		var bad *initiator.RangeError
		if n, err := f(); n != 0 || !errors.As(err, &bad) {
			t.Errorf("%s: %d, %v", name, n, err)
		}
	}
	// What came before the odd end is on the disk.
	if n, err := d.WriteFrom(t.Context(), strings.NewReader(strings.Repeat("x", 1000)), 0); n != 512 || !strings.Contains(err.Error(), "length 1000") {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := d.ReadAt(block, 0); n != 512 || err != nil || string(block) != strings.Repeat("x", 512) {
		t.Errorf("%d, %v, %q", n, err, block)
	}
}

func TestDiskPassesOnWhatEndsIt(t *testing.T) {
	d, s := ownDisk(t, "plain")
	mine := errors.New("mine")
	if _, err := d.WriteFrom(t.Context(), io.MultiReader(strings.NewReader(strings.Repeat("x", 700)), iotest.ErrReader(mine)), 0); !errors.Is(err, mine) {
		t.Errorf("source: %v", err)
	}
	r, w := io.Pipe()
	if err := r.CloseWithError(mine); err != nil {
		t.Fatal(err)
	}
	if n, err := d.ReadTo(t.Context(), w, 0, 16<<20); n != 0 || !errors.Is(err, mine) {
		t.Errorf("sink: %d, %v", n, err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := sinkFunc(func() { cancel(mine) })
	if n, err := d.ReadTo(ctx, stop, 0, 16<<20); n == 0 || n == 16<<20 || !errors.Is(err, mine) {
		t.Errorf("context: %d, %v", n, err)
	}
	// The session is as good as before.
	if _, err := s.Ping(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

// sinkFunc is called for each write.
type sinkFunc func()

func (f sinkFunc) Write(p []byte) (int, error) {
	f()
	return len(p), nil
}

func TestUnitsAreListed(t *testing.T) {
	_, s := ownDisk(t, "plain")
	units, err := s.Units(t.Context())
	if err != nil || len(units) == 0 || units[0].LUN != 0 || units[0].BlockSize != 512 || units[0].Identity.Serial == "" ||
		!slices.IsSortedFunc(units, func(a, b initiator.UnitInfo) int { return int(a.LUN>>48) - int(b.LUN>>48) }) {
		t.Errorf("%+v, %v", units, err)
	}
}
