package initiator

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/iscsispec/iscsispec/scsi"
)

// Operation codes of the two commands that a lost session answers from memory (SPC-4, Sections 6.6 and 6.33).
const (
	opInquiry    = byte(scsi.OpInquiry)
	opReportLUNs = byte(scsi.OpReportLUNs)
)

// cacheEntriesMax bounds what one session remembers: a target decides how many
// units it lists, and must not decide how much memory that costs.
const cacheEntriesMax = 8192

// answerKey names one remembered answer.
type answerKey struct {
	// op is opInquiry or opReportLUNs.
	op byte
	// lun is the unit asked; 0 for REPORT LUNS, whose answer is the target's.
	lun uint64
	// evpd and page are INQUIRY's; page is SELECT REPORT for REPORT LUNS.
	evpd bool
	page byte
}

// answer is the remembered data of one GOOD answer.
type answer struct {
	data []byte
	// complete says that data has as many bytes as its own length field says.
	complete bool
	// round is the refresh in which it was read last.
	round uint64
}

// answerCache remembers what the target said to INQUIRY, by unit and page, and to
// REPORT LUNS, to answer the same questions while the session is down. While it is
// up the target answers. It is a plain state type owned by the session's owner.
type answerCache struct {
	entries map[answerKey]answer
	round   uint64
}

// inquiryQuestion is what a CDB asks of the cache.
type inquiryQuestion struct {
	key        answerKey
	allocation int
}

// cacheQuestion parses cdb; ok is false for every other command.
func cacheQuestion(lun uint64, cdb []byte) (q inquiryQuestion, ok bool) {
	switch {
	case len(cdb) >= 6 && cdb[0] == opInquiry:
		q.key = answerKey{op: opInquiry, lun: lun, evpd: cdb[1]&1 != 0, page: cdb[2]}
		q.allocation = int(binary.BigEndian.Uint16(cdb[3:5]))
		// A page code without EVPD is an illegal request; only the target may say so.
		return q, q.key.evpd || q.key.page == 0
	case len(cdb) >= 12 && cdb[0] == opReportLUNs:
		q.key = answerKey{op: opReportLUNs, page: cdb[2]}
		q.allocation = int(binary.BigEndian.Uint32(cdb[6:10]))
		return q, true
	default:
		return inquiryQuestion{}, false
	}
}

// ownLength returns how long the data of a question's answer says that it is.
func (q inquiryQuestion) ownLength(data []byte) (int, bool) {
	switch {
	case q.key.op == opReportLUNs && len(data) >= 4:
		return 8 + int(binary.BigEndian.Uint32(data)), true
	case q.key.op == opInquiry && q.key.evpd && len(data) >= 4:
		return 4 + int(binary.BigEndian.Uint16(data[2:])), true
	case q.key.op == opInquiry && !q.key.evpd && len(data) >= 5:
		return 5 + int(data[4]), true
	default:
		return 0, false
	}
}

// note remembers a GOOD answer to cdb. An answer that the asker's allocation length
// cut short never replaces a fuller one that begins with the same bytes; where it
// shows that what is remembered is outdated or was never whole, note returns true: the
// session then asks once more, with room for all.
func (c *answerCache) note(lun uint64, cdb, data []byte) (askAgain bool) {
	q, ok := cacheQuestion(lun, cdb)
	if !ok {
		return false
	}
	own, known := q.ownLength(data)
	if !known {
		return false
	}
	if len(data) > own {
		data = data[:own]
	}
	complete := len(data) == own
	old, had := c.entries[q.key]
	if !complete && had && bytes.HasPrefix(old.data, data) {
		return !old.complete
	}
	if c.entries == nil {
		c.entries = make(map[answerKey]answer)
	}
	if !had && len(c.entries) >= cacheEntriesMax {
		return false
	}
	c.entries[q.key] = answer{data: bytes.Clone(data), complete: complete, round: c.round}
	return !complete
}

// answer returns the remembered data for cdb, cut to its allocation length. It
// answers nothing that was not asked before, and nothing it holds only in part.
func (c *answerCache) answer(lun uint64, cdb []byte) (data []byte, ok bool) {
	q, ok := cacheQuestion(lun, cdb)
	if !ok {
		return nil, false
	}
	have, ok := c.entries[q.key]
	if !ok || (!have.complete && q.allocation > len(have.data)) {
		return nil, false
	}
	return have.data[:min(q.allocation, len(have.data))], true
}

// questions lists the INQUIRY questions whose answers are remembered, by unit, the standard data before the pages: what a
// refresh after a re-login has to ask again.
func (c *answerCache) questions() []answerKey {
	var keys []answerKey
	for key := range c.entries {
		if key.op == opInquiry {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(a, b answerKey) int {
		return cmp.Or(cmp.Compare(a.lun, b.lun), cmp.Compare(a.rank(), b.rank()))
	})
	return keys
}

// rank orders the questions about one unit.
func (k answerKey) rank() int {
	if !k.evpd {
		return -1
	}
	return int(k.page)
}

// listed reports whether a list of units is remembered.
func (c *answerCache) listed() bool {
	for key := range c.entries {
		if key.op == opReportLUNs {
			return true
		}
	}
	return false
}

// keepTruncated lets a deviating initiator remember a list of units as an allocation length of 16 would have cut it.
func (c *answerCache) keepTruncated(q inquiryQuestion, data []byte) bool {
	if q.key.op != opReportLUNs || len(data) < 16 {
		return false
	}
	if c.entries == nil {
		c.entries = make(map[answerKey]answer)
	}
	short := bytes.Clone(data[:16])
	binary.BigEndian.PutUint32(short, 8)
	c.entries[q.key] = answer{data: short, complete: true, round: c.round}
	return true
}

// beginRefresh opens a new round: answers noted from here on are current.
func (c *answerCache) beginRefresh() { c.round++ }

// endRefresh closes the round after everything was read again: what the target did
// not confirm in it is forgotten, because it may have changed. A refresh that broke
// off forgets nothing.
func (c *answerCache) endRefresh() {
	for key, a := range c.entries {
		if a.round != c.round {
			delete(c.entries, key)
		}
	}
}

// forget drops what is remembered of one unit.
func (c *answerCache) forget(lun uint64) {
	for key := range c.entries {
		if key.op == opInquiry && key.lun == lun {
			delete(c.entries, key)
		}
	}
}

// forgetAll drops everything.
func (c *answerCache) forgetAll() { clear(c.entries) }
