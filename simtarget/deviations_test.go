package simtarget

import (
	"bytes"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/iscsispec/iscsispec/faults"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/trace"
)

// Every field of Deviations has a row that it is for, or a profile whose array has it, and every row sets something.
func TestEveryDeviationHasARow(t *testing.T) {
	set := map[string]bool{}
	rows := map[string]bool{}
	for _, r := range RowDeviations() {
		if rows[r.Row] {
			t.Errorf("row %s twice", r.Row)
		}
		rows[r.Row] = true
		var d Deviations
		r.Set(&d)
		fields := fieldsThatAreSet(reflect.ValueOf(d), "")
		if len(fields) != 1 {
			t.Errorf("row %s sets %v, want one field", r.Row, fields)
		}
		for _, f := range fields {
			set[f] = true
		}
	}
	for _, name := range Builtins() {
		p, err := Builtin(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, defect := range p.Defects {
			set[defect] = true
		}
	}
	all := reflect.TypeFor[Deviations]()
	for i := range all.NumField() {
		group := all.Field(i)
		if !group.IsExported() {
			continue // Planted ones are the fuzzer's.
		}
		for j := range group.Type.NumField() {
			if name := group.Name + "." + group.Type.Field(j).Name; !set[name] {
				t.Errorf("no row and no profile is about %s", name)
			}
		}
	}
}

func fieldsThatAreSet(v reflect.Value, prefix string) []string {
	var names []string
	for i := range v.NumField() {
		name, field := prefix+v.Type().Field(i).Name, v.Field(i)
		if field.Kind() == reflect.Struct {
			names = append(names, fieldsThatAreSet(field, name+".")...)
		} else if field.Bool() {
			names = append(names, name)
		}
	}
	return names
}

// bytesOf is what an initiator sends that does a bit of everything without looking at the answers.
func bytesOf(p *peer) []byte {
	p.itt, p.cmdSN = 1, 100
	b := pdu.Encode(nil, p.request(pdu.StageOperational, pdu.StageFullFeature, true, append(p.names(), pair("MaxOutstandingR2T", "1"),
		pair("HeaderDigest", "None"), pair("X-com.example.q", "1"))), pdu.Digests{})
	immediate := p.writes(0, 1)
	immediate.Data = noise(512)
	held := p.writes(8, 256)
	absent := p.command(scsi.TestUnitReady())
	absent.LUN = uint64(scsi.FlatLUN(77))
	read := p.reads(0, 256)
	for _, q := range []pdu.PDU{
		immediate, held, p.command(scsi.TestUnitReady()), absent, read,
		&pdu.NOPOut{Immediate: true, ITT: 90, TTT: pdu.ReservedTag, CmdSN: p.cmdSN, Data: noise(101)},
		&pdu.TextRequest{Immediate: true, Final: true, ITT: 91, TTT: pdu.ReservedTag, CmdSN: p.cmdSN, Data: []byte("HeaderDigest=CRC32C\x00SendTargets=\x00")},
		&pdu.SNACKRequest{ITT: 92},
		&pdu.TaskManagementRequest{Immediate: true, Function: pdu.FunctionAbortTask, ITT: 93, ReferencedTaskTag: held.ITT, CmdSN: p.cmdSN, RefCmdSN: held.CmdSN},
		&pdu.TaskManagementRequest{Immediate: true, Function: pdu.FunctionLogicalUnitReset, ITT: 94, CmdSN: p.cmdSN},
		&pdu.LogoutRequest{Immediate: true, ITT: 95, CID: 1, CmdSN: p.cmdSN},
	} {
		b = pdu.Encode(b, q, pdu.Digests{})
	}
	return b
}

// dialogue runs the same traffic against an array: two initiator ports, a reinstatement, and a Discovery session.
func dialogue(t *testing.T, profile string, dev *Deviations) []byte {
	t.Helper()
	p, err := Builtin(profile)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		log := trace.NewLog()
		n := faults.NewNetwork(7, log, faults.Options{})
		a, err := New(p, Options{Log: log, Seed: 7, Deviations: dev})
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Start(n.Host("target", "10.0.0.100").Listen); err != nil {
			t.Fatal(err)
		}
		b := &bench{T: t, array: a, network: n, host: n.Host("initiator", "10.1.0.1"), log: log}
		for i := range 4 {
			c := b.dial("A")
			c.isid[5] = byte(i / 2)
			_, _ = c.conn.Write(bytesOf(c)) // a faulty array may close early
			if i == 3 {
				time.Sleep(time.Second)
				c.conn.Close()
			}
		}
		b.apply(Action{Async: &Async{Event: pdu.AsyncLogoutRequest}}, Action{Ping: &Ping{}})
		time.Sleep(time.Minute)
		a.Close()
		n.Close()
		if err := trace.WriteJSONL(&out, log.Events()); err != nil {
			t.Fatal(err)
		}
	})
	return out.Bytes()
}

// No deviation makes the array panic, hang in a way that Close cannot end, or leave something behind.
func TestDeviatingArraysCanBeClosed(t *testing.T) {
	for _, r := range RowDeviations() {
		var d Deviations
		r.Set(&d)
		dialogue(t, "plain", &d)
		dialogue(t, "single-port-redirect-temporary", &d)
	}
}

// The same seed leaves the same trace, byte for byte.
func TestTraceIsAFunctionOfTheSeed(t *testing.T) {
	for _, profile := range []string{"plain", "single-port-redirect-temporary", "chap", "second-session-kills-oldest"} {
		first := dialogue(t, profile, nil)
		for range 8 {
			if !bytes.Equal(first, dialogue(t, profile, nil)) {
				t.Errorf("%s: two runs of one seed differ", profile)
				break
			}
		}
	}
}
