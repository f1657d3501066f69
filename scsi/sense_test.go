package scsi

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var senses = []struct {
	name              string
	sense             Sense
	fixed, descriptor []byte
}{
	{"unit attention", NewSense(UnitAttention, PowerOnOrReset),
		[]byte{0x70, 0, 6, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x29, 0, 0, 0, 0, 0},
		[]byte{0x72, 6, 0x29, 0, 0, 0, 0, 0}},
	{"field in CDB", (&CDBError{Code: InvalidFieldInCDB, Byte: 7}).Sense(),
		[]byte{0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x24, 0, 0, 0xc0, 0, 7},
		[]byte{0x72, 5, 0x24, 0, 0, 0, 0, 8, 2, 6, 0, 0, 0xc0, 0, 7, 0}},
	{"miscompare with information", Sense{Key: Miscompare, Code: MiscompareDuringVerify, InformationValid: true, Information: 0x01020304},
		[]byte{0xf0, 0, 14, 1, 2, 3, 4, 10, 0, 0, 0, 0, 0x1d, 0, 0, 0, 0, 0},
		[]byte{0x72, 14, 0x1d, 0, 0, 0, 0, 12, 0, 10, 0x80, 0, 0, 0, 0, 0, 1, 2, 3, 4}},
	{"deferred, of a tape", Sense{Deferred: true, Key: NoSense, Filemark: true, IncorrectLength: true, CommandSpecific: 9},
		[]byte{0x71, 0, 0xa0, 0, 0, 0, 0, 10, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0},
		[]byte{0x73, 0, 0, 0, 0, 0, 0, 16, 1, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 4, 2, 0, 0xa0}},
}

func TestSense(t *testing.T) {
	for _, c := range senses {
		t.Run(c.name, func(t *testing.T) {
			for _, form := range []struct{ want, got []byte }{{c.fixed, c.sense.Append(nil)}, {c.descriptor, c.sense.AppendDescriptor(nil)}} {
				if diff := cmp.Diff(form.want, form.got); diff != "" {
					t.Errorf("built (-want +got):\n%s", diff)
				}
				got, err := ParseSense(form.want)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(c.sense, got); diff != "" {
					t.Errorf("parsed from % x (-want +got):\n%s", form.want, diff)
				}
			}
		})
	}
}

// Key and code are there as soon as their bytes are, whatever a short buffer cut; before that there is an error and never a panic.
func TestSenseCutShort(t *testing.T) {
	for _, c := range senses {
		for i := range c.fixed {
			got, err := ParseSense(c.fixed[:i])
			var bad *DataError
			switch {
			case i < 3 && !errors.As(err, &bad):
				t.Errorf("%s, the first %d bytes: got %v, want a DataError", c.name, i, err)
			case i >= 3 && (err != nil || got.Key != c.sense.Key), i >= 14 && got.Code != c.sense.Code:
				t.Errorf("%s, the first %d bytes: got %v, %v", c.name, i, got, err)
			}
		}
		for i := range c.descriptor {
			got, err := ParseSense(c.descriptor[:i])
			var bad *DataError
			switch {
			case i < 4 && !errors.As(err, &bad):
				t.Errorf("%s, the first %d bytes: got %v, want a DataError", c.name, i, err)
			case i >= 4 && (err != nil || got.Key != c.sense.Key || got.Code != c.sense.Code):
				t.Errorf("%s, the first %d bytes: got %v, %v", c.name, i, got, err)
			}
		}
	}
	if _, err := ParseSense([]byte{0x7f, 0, 0, 0}); err == nil {
		t.Error("response code 7Fh is taken")
	}
}

func TestInformationBeyondFixedFormat(t *testing.T) {
	s := Sense{Key: MediumError, Code: UnrecoveredReadError, InformationValid: true, Information: 1 << 32}
	if got, _ := ParseSense(s.Append(nil)); got.InformationValid {
		t.Errorf("fixed format carries information %#x", got.Information)
	}
	if got, _ := ParseSense(s.AppendDescriptor(nil)); got.Information != 1<<32 {
		t.Errorf("descriptor format carries information %#x", got.Information)
	}
}

func TestSenseString(t *testing.T) {
	if got, want := NewSense(UnitAttention, LUNsDataChanged).String(), "UNIT ATTENTION 3F/0E (REPORTED LUNS DATA HAS CHANGED)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := ASC(0x8001).String(), "80/01"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func FuzzParseSense(f *testing.F) {
	for _, c := range senses {
		f.Add(c.fixed)
		f.Add(c.descriptor)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ParseSense(b)
		if err != nil {
			return
		}
		again, err := ParseSense(s.AppendDescriptor(nil))
		if err != nil {
			t.Fatal(err)
		}
		if !s.InformationValid {
			s.Information = 0 // the descriptor is left out then
		}
		if diff := cmp.Diff(s, again); diff != "" {
			t.Errorf("of % x (-first +again):\n%s", b, diff)
		}
	})
}
