package disk

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/iscsispec/iscsispec/scsi"
)

func twoGroups(t *testing.T, explicit bool) *PortGroups {
	t.Helper()
	g, err := NewPortGroups(PortGroupsConfig{Implicit: true, Explicit: explicit, TransitionSeconds: 7, Groups: []PortGroup{
		{ID: 10, Preferred: true, Ports: []uint16{1}}, {ID: 20, State: scsi.Standby, Ports: []uint16{2, 3}}}})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestAccessStates(t *testing.T) {
	g := twoGroups(t, true)
	d := newDisk(t, Config{PortGroups: g})
	d.Connect(alice, scsi.NoAdditionalSense)
	d.Connect(bob, scsi.NoAdditionalSense)
	if i, _ := scsi.ParseInquiry(do(d, bob, scsi.Inquiry(96)).DataIn); i.TargetPortGroups != 3 {
		t.Errorf("TPGS is %d", i.TargetPortGroups)
	}
	for state, want := range map[scsi.AccessState]scsi.ASC{scsi.Standby: scsi.NotReadyStandby, scsi.Unavailable: scsi.NotReadyUnavailable,
		scsi.Transitioning: scsi.TransitionState} {
		if !g.SetState(20, state, false) {
			t.Fatal("no group 20")
		}
		for _, cdb := range [][]byte{scsi.TestUnitReady(), scsi.Read10(0, 1), scsi.ReadCapacity16(32)} {
			wantCheck(t, do(d, bob, cdb), scsi.NotReady, want)
		}
		for _, cdb := range [][]byte{scsi.Inquiry(96), scsi.ReportPortGroups(false, 255), scsi.ReportLUNs(scsi.ReportAll, 64)} {
			wantGood(t, do(d, bob, cdb))
		}
		wantGood(t, do(d, alice, scsi.Read10(0, 1)))
	}
	g.SetState(20, scsi.ActiveNonOptimized, true)
	wantCheck(t, do(d, bob, scsi.TestUnitReady()), scsi.UnitAttention, scsi.AsymmetricAccessChanged)
	wantGood(t, do(d, bob, scsi.Read10(0, 1)))
	wantCheck(t, do(d, alice, scsi.TestUnitReady()), scsi.UnitAttention, scsi.AsymmetricAccessChanged)
	groups, err := scsi.ParsePortGroups(do(d, alice, scsi.ReportPortGroups(true, 255)).DataIn, true)
	want := []scsi.GroupStatus{{ID: 10, Preferred: true, Supported: scsi.SupportsPrimary, Ports: []uint16{1}},
		{ID: 20, State: scsi.ActiveNonOptimized, Cause: 2, Supported: scsi.SupportsPrimary, Ports: []uint16{2, 3}}}
	if diff := cmp.Diff(want, groups); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestSetPortGroups(t *testing.T) {
	g := twoGroups(t, true)
	d, other := newDisk(t, Config{PortGroups: g}), newDisk(t, Config{PortGroups: g})
	for _, disk := range []*Disk{d, other} {
		disk.Connect(alice, scsi.NoAdditionalSense)
		disk.Connect(bob, scsi.NoAdditionalSense)
	}
	set := func(states ...scsi.GroupState) *Task {
		list := scsi.AppendGroupStates(nil, states)
		return do(d, bob, scsi.SetPortGroups(uint32(len(list))), list...)
	}
	wantGood(t, set(scsi.GroupState{ID: 20}, scsi.GroupState{ID: 10, State: scsi.Standby}))
	if state, _ := g.State(20); state != scsi.ActiveOptimized {
		t.Errorf("group 20 is %v", state)
	}
	wantGood(t, do(d, bob, scsi.Read10(0, 1))) // bob asked for it
	wantCheck(t, do(other, alice, scsi.Read10(0, 1)), scsi.UnitAttention, scsi.AsymmetricAccessChanged)
	wantCheck(t, do(other, alice, scsi.Read10(0, 1)), scsi.NotReady, scsi.NotReadyStandby)
	wantCheck(t, set(scsi.GroupState{ID: 10}, scsi.GroupState{ID: 30}), scsi.IllegalRequest, scsi.InvalidFieldInParameters)
	if state, _ := g.State(10); state != scsi.Standby {
		t.Errorf("a list with a mistake makes group 10 %v", state)
	}
	wantCheck(t, set(scsi.GroupState{ID: 10, State: scsi.Transitioning}), scsi.IllegalRequest, scsi.InvalidFieldInParameters)
	wantCheck(t, do(d, bob, scsi.SetPortGroups(3), 0, 0, 0), scsi.IllegalRequest, scsi.ParameterListLengthError)
	implicit := newDisk(t, Config{PortGroups: twoGroups(t, false)})
	wantCheck(t, do(implicit, alice, scsi.SetPortGroups(0)), scsi.IllegalRequest, scsi.InvalidOpcode)
	symmetric := newDisk(t, Config{})
	wantCheck(t, do(symmetric, alice, scsi.ReportPortGroups(false, 64)), scsi.IllegalRequest, scsi.InvalidFieldInCDB)
}

func TestPortGroupsThatCannotBe(t *testing.T) {
	one := []PortGroup{{ID: 1, Ports: []uint16{1}}}
	for _, c := range []PortGroupsConfig{{Groups: one}, {Implicit: true}, {Implicit: true, Groups: append(one, one...)},
		{Implicit: true, Groups: []PortGroup{{ID: 1}}}, {Implicit: true, Groups: []PortGroup{{ID: 1, Ports: []uint16{1, 1}}}},
		{Implicit: true, Groups: []PortGroup{{ID: 1, Ports: []uint16{0}}}}, {Explicit: true, Groups: []PortGroup{{ID: 1, State: 9, Ports: []uint16{1}}}}} {
		var bad *ConfigError
		if _, err := NewPortGroups(c); !errors.As(err, &bad) {
			t.Errorf("%+v: got %v, want a ConfigError", c, err)
		}
	}
}

func TestSupportedTaskManagement(t *testing.T) {
	d := newDisk(t, Config{})
	for level, want := range map[byte]string{1: "\xfa\x00\x00\x00", 2: "\xfe\x06\x00\x00"} {
		task := &Task{Nexus: alice, CDB: scsi.ReportSupportedTMFs(16), ProtocolLevel: level}
		d.Execute(task)
		if string(task.DataIn) != want {
			t.Errorf("protocol level %d: % x, want % x", level, task.DataIn, want)
		}
	}
}
