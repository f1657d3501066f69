package disk

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/iscsispec/iscsispec/scsi"
)

// reservationsSuffix makes the name of the file in which persistent reservations outlive the process, beside the disk's own.
const reservationsSuffix = ".reservations"

// savedReservations is the content of that file.
type savedReservations struct {
	Type          scsi.ReservationType `json:"type"`   // 0: there is no reservation
	Holder        int                  `json:"holder"` // place in Registrations; -1 for none
	Registrations []savedRegistration  `json:"registrations"`
}

type savedRegistration struct {
	Nexus Nexus  `json:"nexus"`
	Key   uint64 `json:"key"`
}

// persistentOutAndSave carries out PERSISTENT RESERVE OUT and brings what is to outlive a loss of power to the file, before the command ends
// (SPC-4, Section 5.13.6). Other commands do not wait for the file.
func (d *Disk) persistentOutAndSave(t *Task) {
	t.Status = scsi.StatusGood
	if d.path == "" {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.persistentOut(t)
		return
	}
	d.saving.Lock()
	defer d.saving.Unlock()
	d.mu.Lock()
	before := d.persistent.keeps
	d.persistentOut(t)
	keeps, saved := d.persistent.keeps, d.persistent.save()
	d.mu.Unlock()
	if t.Status != scsi.StatusGood || !before && !keeps {
		return
	}
	if err := d.saveReservations(keeps, saved); err != nil {
		t.fail(scsi.HardwareError, scsi.InternalTargetFailure)
	}
}

func (p *persistent) save() savedReservations {
	s := savedReservations{Type: p.kind, Holder: -1}
	for i, r := range p.registrations {
		s.Registrations = append(s.Registrations, savedRegistration{Nexus: r.nexus, Key: r.key})
		if p.kind != 0 && r.nexus == p.holder {
			s.Holder = i
		}
	}
	return s
}

// saveReservations replaces the file as a whole, or takes it away when nothing is to be kept.
func (d *Disk) saveReservations(keeps bool, saved savedReservations) error {
	name := d.path + reservationsSuffix
	if !keeps {
		if err := os.Remove(name); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	text, err := json.MarshalIndent(saved, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(name+".new", append(text, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}

// savedSizeMax bounds the file that is read, in bytes: maxRegistrations of the longest names stay below.
const savedSizeMax = 1 << 20

// loadReservations takes up what an earlier process kept.
func (d *Disk) loadReservations() error {
	if d.path == "" {
		return nil
	}
	file, err := os.Open(d.path + reservationsSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	defer file.Close()
	var saved savedReservations
	if err := json.NewDecoder(io.LimitReader(file, savedSizeMax)).Decode(&saved); err != nil {
		return fmt.Errorf("disk: %s%s: %w", d.path, reservationsSuffix, err)
	}
	if len(saved.Registrations) > maxRegistrations || saved.Holder >= len(saved.Registrations) {
		return fmt.Errorf("disk: %s%s: %d registrations with holder %d, want at most %d and a holder among them", d.path, reservationsSuffix,
			len(saved.Registrations), saved.Holder, maxRegistrations)
	}
	d.persistent = persistent{keeps: true, kind: saved.Type}
	for _, r := range saved.Registrations {
		d.persistent.registrations = append(d.persistent.registrations, registration{nexus: r.Nexus, key: r.Key})
	}
	if saved.Holder >= 0 {
		d.persistent.holder = saved.Registrations[saved.Holder].Nexus
	}
	return nil
}
