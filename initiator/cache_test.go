package initiator

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"github.com/iscsispec/iscsispec/scsi"
)

// standardData is whole standard INQUIRY data of a product.
func standardData(product string) []byte {
	return scsi.InquiryData{Version: 6, ResponseDataFormat: 2, Vendor: "EXAMPLE", Product: product}.Append(nil)
}

// TestCacheInquiry checks that answers are kept by unit and page, and cut to the allocation length.
func TestCacheInquiry(t *testing.T) {
	var c answerCache
	five := uint64(scsi.LUNOf(5))
	zero, other := standardData("ZERO"), standardData("FIVE")
	page := scsi.VPD{Page: 0x80, Body: []byte("SERIAL")}.Append(nil)
	c.note(0, scsi.Inquiry(255), zero)
	c.note(five, scsi.Inquiry(255), other)
	c.note(0, scsi.InquiryVPD(0x80, 255), page)
	for _, q := range []struct {
		name string
		lun  uint64
		cdb  []byte
		want []byte
	}{
		{"whole", 0, scsi.Inquiry(255), zero},
		{"cut", 0, scsi.Inquiry(36), zero[:36]},
		{"nothing asked for", 0, scsi.Inquiry(0), nil},
		{"another unit", five, scsi.Inquiry(255), other},
		{"page", 0, scsi.InquiryVPD(0x80, 255), page},
		{"page cut", 0, scsi.InquiryVPD(0x80, 6), page[:6]},
	} {
		if got, ok := c.answer(q.lun, q.cdb); !ok || !bytes.Equal(got, q.want) {
			t.Errorf("%s: got %x %v, want %x", q.name, got, ok, q.want)
		}
	}
	for _, q := range []struct {
		name string
		lun  uint64
		cdb  []byte
	}{
		{"page never seen", 0, scsi.InquiryVPD(0xb0, 255)},
		{"page of another unit", five, scsi.InquiryVPD(0x80, 255)},
		{"unit never seen", uint64(scsi.LUNOf(7)), scsi.Inquiry(255)},
		{"page code without EVPD", 0, []byte{0x12, 0, 0x80, 0, 255, 0}},
		{"another command", 0, scsi.TestUnitReady()},
		{"truncated CDB", 0, []byte{0x12, 0, 0}},
	} {
		if got, ok := c.answer(q.lun, q.cdb); ok {
			t.Errorf("%s: answered %x, want nothing", q.name, got)
		}
	}
}

// TestCacheListLength checks that the list's length field stays whole whatever the asker's allocation length.
func TestCacheListLength(t *testing.T) {
	var c answerCache
	list := scsi.AppendLUNList(nil, []scsi.LUN{scsi.LUNOf(0), scsi.LUNOf(1), scsi.LUNOf(5)})
	if again := c.note(0, scsi.ReportLUNs(0, 16), list[:16]); !again {
		t.Error("a list cut by its asker is not asked for again")
	}
	if _, ok := c.answer(0, scsi.ReportLUNs(0, 4096)); ok {
		t.Error("answered more than is known")
	}
	if got, ok := c.answer(0, scsi.ReportLUNs(0, 16)); !ok || !bytes.Equal(got, list[:16]) {
		t.Errorf("what is known was not answered: %x %v", got, ok)
	}
	c.note(0, scsi.ReportLUNs(0, 4096), list)
	if again := c.note(0, scsi.ReportLUNs(0, 16), list[:16]); again {
		t.Error("asked again although the whole list is known")
	}
	for _, allocation := range []uint32{16, 24, 4096} {
		got, ok := c.answer(uint64(scsi.LUNOf(5)), scsi.ReportLUNs(0, allocation))
		if want := list[:min(int(allocation), len(list))]; !ok || !bytes.Equal(got, want) {
			t.Errorf("allocation %d: got %x %v, want %x", allocation, got, ok, want)
		}
	}
	if _, ok := c.answer(0, scsi.ReportLUNs(scsi.ReportAll, 4096)); ok {
		t.Error("another selection was answered")
	}
}

// TestCacheChange checks that a truncated answer that differs from what is known replaces it and asks for the rest.
func TestCacheChange(t *testing.T) {
	var c answerCache
	c.note(0, scsi.Inquiry(255), standardData("OLD"))
	if again := c.note(0, scsi.Inquiry(36), standardData("NEW")[:36]); !again {
		t.Error("new data cut by its asker are not asked for again")
	}
	if got, ok := c.answer(0, scsi.Inquiry(36)); !ok || !bytes.Equal(got, standardData("NEW")[:36]) {
		t.Errorf("old data are still answered: %x %v", got, ok)
	}
}

// TestCacheRefresh checks that a refresh that ends forgets what was not confirmed, and one that breaks off forgets nothing.
func TestCacheRefresh(t *testing.T) {
	var c answerCache
	page := scsi.VPD{Page: 0xb0, Body: make([]byte, 60)}.Append(nil)
	c.note(0, scsi.Inquiry(255), standardData("A"))
	c.note(0, scsi.InquiryVPD(0xb0, 255), page)
	c.beginRefresh()
	c.note(0, scsi.Inquiry(255), standardData("B"))
	if _, ok := c.answer(0, scsi.InquiryVPD(0xb0, 255)); !ok {
		t.Error("forgotten before the refresh ended")
	}
	if got, _ := c.answer(0, scsi.Inquiry(255)); !bytes.Equal(got, standardData("B")) {
		t.Error("not replaced")
	}
	c.endRefresh()
	if _, ok := c.answer(0, scsi.InquiryVPD(0xb0, 255)); ok {
		t.Error("kept although it was not confirmed")
	}
	c.forget(0)
	if _, ok := c.answer(0, scsi.Inquiry(255)); ok {
		t.Error("answered of a unit that was forgotten")
	}
}

// TestCacheNeverInvents checks that whatever is answered is a beginning of what the target said last, of the length asked for.
func TestCacheNeverInvents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c answerCache
		said := map[uint64][]byte{}
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			lun := rapid.Uint64Range(0, 2).Draw(t, "lun")
			allocation := rapid.Uint16Range(0, 120).Draw(t, "allocation")
			if rapid.Bool().Draw(t, "up") {
				data := standardData(rapid.StringMatching(`[AB]{1,2}`).Draw(t, "product"))
				c.note(lun, scsi.Inquiry(allocation), data[:min(int(allocation), len(data))])
				if allocation >= 5 {
					said[lun] = data
				}
				continue
			}
			got, ok := c.answer(lun, scsi.Inquiry(allocation))
			if !ok {
				continue
			}
			whole, known := said[lun]
			if want := min(int(allocation), len(whole)); !known || len(got) != want {
				t.Fatalf("%d bytes answered, want %d of known data (%v)", len(got), want, known)
			}
			// What was cut before the change showed may be older; all of it is the target's own words.
			if len(got) > 40 && !bytes.Equal(got[:16], whole[:16]) {
				t.Fatalf("answered %x, target said %x", got, whole)
			}
		}
	})
}
