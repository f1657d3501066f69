package initiator

import (
	"errors"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/scsi"
)

// refusedForGood removes the devices of a session whose re-login the target refused as the initiator's fault, where Settings.PermanentLoss
// takes that for the end of them.
func (s *managedSession) refusedForGood(err error) {
	var refused *LoginError
	if !s.cfg.PermanentLoss || !errors.As(err, &refused) || refused.Status.Class() != iscsi.ClassInitiatorError || s.clock.othersGone {
		return
	}
	s.clock.othersGone, s.clock.bootGone = true, true
	s.removeLUNs(func(uint64) bool { return true }, "login refused with "+refused.Status.String())
}

// unsupported removes the device of a unit that the target says is none, where Settings.PermanentLoss takes that for its end. Should it be
// listed again, the next enumeration brings it back.
func (s *managedSession) unsupported(lun uint64, sense scsi.Sense) {
	if s.cfg.PermanentLoss && sense.Key == scsi.IllegalRequest && sense.Code == scsi.LUNNotSupported {
		s.removeLUNs(func(l uint64) bool { return l == lun }, "unit not supported")
	}
}
