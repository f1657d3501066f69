package disk

import "github.com/iscsispec/iscsispec/scsi"

// inaccessible ends a command that came through a target port whose access state does not let it through (SPC-4, Section 5.15.2.4).
func (d *Disk) inaccessible(t *Task) bool {
	_, state, _ := d.groups.of(t.Nexus.RelativePort)
	if state == scsi.ActiveOptimized || state == scsi.ActiveNonOptimized {
		return false
	}
	switch c := &t.Command; c.Opcode {
	case scsi.OpInquiry, scsi.OpReportLUNs, scsi.OpRequestSense, scsi.OpMaintenanceIn:
		return false
	case scsi.OpMaintenanceOut:
		if state != scsi.Transitioning {
			return false
		}
	case scsi.OpLogSense, scsi.OpModeSense6, scsi.OpModeSense10, scsi.OpModeSelect6, scsi.OpModeSelect10, scsi.OpPersistentReserveIn,
		scsi.OpPersistentReserveOut, scsi.OpSendDiagnostic, scsi.OpReceiveCopyResults:
		if state == scsi.Standby {
			return false
		}
	}
	switch state {
	case scsi.Standby:
		return t.fail(scsi.NotReady, scsi.NotReadyStandby)
	case scsi.Transitioning:
		return t.fail(scsi.NotReady, scsi.TransitionState)
	}
	return t.fail(scsi.NotReady, scsi.NotReadyUnavailable)
}

// reportPortGroups answers REPORT TARGET PORT GROUPS (SPC-4, Section 6.37). d.mu is held.
func (d *Disk) reportPortGroups(t *Task) {
	extended := t.Command.Extended == 1
	g := d.groups
	g.mu.Lock()
	defer g.mu.Unlock()
	list := make([]scsi.GroupStatus, len(g.groups))
	for i, group := range g.groups {
		list[i] = scsi.GroupStatus{ID: group.ID, State: group.State, Preferred: group.Preferred, Supported: scsi.SupportsPrimary, Cause: group.cause,
			Ports: group.Ports}
	}
	t.present(scsi.AppendPortGroups(t.Buffer[:0], list, extended, g.transitionSeconds))
}

// setPortGroups carries out SET TARGET PORT GROUPS: at once, so that the state transitioning is never seen for it (SPC-4, Section 6.45).
// The nexus that sent it is not told. No lock is held.
func (d *Disk) setPortGroups(t *Task) {
	t.Status = scsi.StatusGood
	if t.Length == 0 {
		return
	}
	if len(t.DataOut) < t.Length {
		t.fail(scsi.IllegalRequest, scsi.ParameterListLengthError)
		return
	}
	states, err := scsi.ParseGroupStates(t.DataOut[:t.Length])
	if err != nil {
		t.fail(scsi.IllegalRequest, scsi.ParameterListLengthError)
		return
	}
	for _, s := range states {
		if s.State > scsi.Unavailable { // the others cannot be set
			t.fail(scsi.IllegalRequest, scsi.InvalidFieldInParameters)
			return
		}
	}
	if !d.groups.change(states, causeExplicit) {
		t.fail(scsi.IllegalRequest, scsi.InvalidFieldInParameters)
		return
	}
	d.groups.announce(t.Nexus)
}
