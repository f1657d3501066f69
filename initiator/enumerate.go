package initiator

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/iscsispec/iscsispec/scsi"
)

// Limits of one enumeration.
const (
	// scanCommandTimeout bounds each of its commands; a target that leaves one unanswered is not fit for use.
	scanCommandTimeout = 30 * time.Second
	// unitsMax bounds the units taken from one list, repeatsMax how often one command is repeated for a passing condition.
	unitsMax   = 1024
	repeatsMax = 8
	// listAllocation fits the answer to REPORT LUNS of 511 units at first; a longer list is asked for once more.
	listAllocation = 4096
	// inquiryAllocation fits any standard INQUIRY data, pageAllocation any page that identifies a unit.
	inquiryAllocation = 260
	pageAllocation    = 1024
)

// question is one command of an enumeration.
type question struct {
	lun    uint64
	cdb    []byte
	length int
}

// reply is the target's answer to a question. err is set only when the session could not get one.
type reply struct {
	data   []byte
	status scsi.Status
	sense  scsi.Sense
	err    error
}

// good reports whether the target did what was asked.
func (r reply) good() bool { return r.err == nil && r.status == scsi.StatusGood }

// attention reports whether the command may be repeated at once: a unit attention was pending, or the unit was busy.
func (r reply) passing() bool {
	if r.err != nil {
		return false
	}
	switch r.status {
	case scsi.StatusCheckCondition:
		return r.sense.Key == scsi.UnitAttention || r.sense.Key == scsi.AbortedCommand
	case scsi.StatusBusy, scsi.StatusTaskSetFull:
		return true
	}
	return false
}

// unit is one logical unit as a session sees it.
type unit struct {
	// lun is in wire form.
	lun       uint64
	identity  Identity
	data      scsi.InquiryData
	blocks    uint64
	blockSize uint32
	// blocked is true from a loss until the unit was checked again.
	blocked bool
}

// name is the device's name.
func (u *unit) name() string { return u.identity.Name() }

// heard is one GOOD answer for the cache.
type heard struct {
	question
	data []byte
}

// enumeration finds out which units a target has and what they are: REPORT LUNS, then for each unit INQUIRY, the VPD
// pages that identify it, and its capacity. It is a sequence of questions and pure otherwise: ask carries them out.
type enumeration struct {
	// target is the target's name.
	target string
	// again lists INQUIRY questions that are to be asked beside the usual ones, because the cache holds their answers.
	again []answerKey
	// refreshOnly asks only what is in again, and REPORT LUNS if relist is set: an informational session has no units.
	refreshOnly, relist bool
	// fixed, when not nil, is taken for the list of units: a deviation.
	fixed     []uint64
	stopAtGap bool
	// attentionFails does not repeat what met a unit attention.
	attentionFails bool
	// zeroFails makes the scan die of a block size of 0.
	zeroFails bool
	ask       func(question) reply

	// found, listed and answers are the result.
	units   []*unit
	listed  []uint64
	answers []heard
	// changed says that the list of units changed while they were enumerated.
	changed bool
}

// run asks everything. Its error is that of the session; what the target refuses to tell is left out.
func (e *enumeration) run() error {
	if e.refreshOnly {
		return e.refresh()
	}
	luns, err := e.list()
	if err != nil {
		return err
	}
	e.changed = false // What was reported before the list was read is in the list.
	for i, lun := range luns {
		if e.stopAtGap && lunNumber(lun) != uint64(i) {
			break
		}
		if err := e.examine(lun); err != nil {
			return err
		}
	}
	return nil
}

// refresh asks again what the cache holds.
func (e *enumeration) refresh() error {
	if e.relist {
		if _, err := e.list(); err != nil {
			return err
		}
	}
	for _, key := range e.again {
		if _, err := e.put(inquiryQuestionOf(key)); err != nil {
			return err
		}
	}
	return nil
}

// list reads the list of units. A target that cannot list has LUN 0 at least.
func (e *enumeration) list() ([]uint64, error) {
	if e.fixed != nil {
		e.listed = e.fixed
		return e.fixed, nil
	}
	for allocation := uint32(listAllocation); ; {
		r, err := e.put(question{cdb: scsi.ReportLUNs(scsi.ReportAddressed, allocation), length: int(allocation)})
		if err != nil {
			return nil, err
		}
		luns, complete, bad := scsi.ParseLUNList(r.data)
		if !r.good() || bad != nil {
			return []uint64{0}, nil
		}
		if complete > int(allocation) && allocation == listAllocation {
			allocation = uint32(min(complete, 8+8*unitsMax))
			continue
		}
		for _, lun := range luns[:min(len(luns), unitsMax)] {
			if !slices.Contains(e.listed, uint64(lun)) {
				e.listed = append(e.listed, uint64(lun))
			}
		}
		return e.listed, nil
	}
}

// examine asks one unit what it is.
func (e *enumeration) examine(lun uint64) error {
	r, err := e.put(question{lun: lun, cdb: scsi.Inquiry(inquiryAllocation), length: inquiryAllocation})
	if err != nil {
		return err
	}
	data, bad := scsi.ParseInquiry(r.data)
	if !r.good() || bad != nil || data.Qualifier != scsi.Connected || data.DeviceType == scsi.TypeNone || data.DeviceType == scsi.TypeWellKnown {
		return nil
	}
	u := &unit{lun: lun, data: data}
	if err := e.identify(u); err != nil {
		return err
	}
	if data.DeviceType == scsi.TypeDisk {
		if err := e.measure(u); err != nil {
			return err
		}
	}
	e.units = append(e.units, u)
	return nil
}

// identify reads the unit's identifying pages, and those that the cache has of it.
func (e *enumeration) identify(u *unit) error {
	pages := []scsi.VPDPage{scsi.VPDSupportedPages, scsi.VPDUnitSerialNumber, scsi.VPDDeviceIdentification}
	for _, key := range e.again {
		if key.lun == u.lun && key.evpd && !slices.Contains(pages, scsi.VPDPage(key.page)) {
			pages = append(pages, scsi.VPDPage(key.page))
		}
	}
	var serial string
	var designators []scsi.Designator
	for _, page := range pages {
		r, err := e.put(question{lun: u.lun, cdb: scsi.InquiryVPD(page, pageAllocation), length: pageAllocation})
		if err != nil {
			return err
		}
		vpd, bad := scsi.ParseVPD(r.data, page)
		if !r.good() || bad != nil {
			continue
		}
		switch page {
		case scsi.VPDUnitSerialNumber:
			serial = vpd.SerialNumber()
		case scsi.VPDDeviceIdentification:
			designators, _ = vpd.Designators() // What was whole before a broken descriptor counts.
		}
	}
	u.identity = identityOf(u.data, designators, serial, e.target, u.lun)
	return nil
}

// measure reads the unit's capacity.
func (e *enumeration) measure(u *unit) error {
	r, err := e.put(question{lun: u.lun, cdb: scsi.ReadCapacity10(), length: scsi.Capacity10Length})
	if err != nil {
		return err
	}
	small, bad := scsi.ParseCapacity10(r.data)
	if !r.good() || bad != nil {
		return nil
	}
	if small.BlockSize == 0 && e.zeroFails {
		return errScanDied
	}
	u.blocks, u.blockSize = uint64(small.LastLBA)+1, small.BlockSize
	if !small.TooLarge() {
		return nil
	}
	r, err = e.put(question{lun: u.lun, cdb: scsi.ReadCapacity16(scsi.Capacity16Length), length: scsi.Capacity16Length})
	if err != nil {
		return err
	}
	if large, bad := scsi.ParseCapacity16(r.data); r.good() && bad == nil {
		u.blocks, u.blockSize = large.LastLBA+1, large.BlockSize
	}
	return nil
}

// put asks one question, again while a passing condition keeps the unit from answering.
func (e *enumeration) put(q question) (reply, error) {
	for range repeatsMax {
		r := e.ask(q)
		var rejected *RejectError
		switch {
		case errors.As(r.err, &rejected):
			return r, nil // The target cannot do it; that is an answer.
		case r.err != nil:
			return r, fmt.Errorf("enumeration of %s: %w", e.target, r.err)
		case !r.passing(), e.attentionFails && r.sense.Key == scsi.UnitAttention:
			if r.good() {
				e.answers = append(e.answers, heard{q, r.data})
			}
			return r, nil
		case r.sense.Code == scsi.LUNsDataChanged:
			e.changed = true
		}
	}
	return reply{status: scsi.StatusBusy}, nil
}

// inquiryQuestionOf makes the question of a cache entry.
func inquiryQuestionOf(key answerKey) question {
	if !key.evpd {
		return question{lun: key.lun, cdb: scsi.Inquiry(inquiryAllocation), length: inquiryAllocation}
	}
	return question{lun: key.lun, cdb: scsi.InquiryVPD(scsi.VPDPage(key.page), pageAllocation), length: pageAllocation}
}

// lunNumber returns the number of a LUN as people count, or its wire form where it has none.
func lunNumber(lun uint64) uint64 {
	if n, ok := scsi.LUN(lun).Number(); ok {
		return uint64(n)
	}
	return lun
}
