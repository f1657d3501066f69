package sessions

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/iscsispec/iscsispec/faults"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/simtarget"
)

// samePlan compares plans; an empty list is as good as none.
var samePlan = cmp.Options{cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(simtarget.Async{}), cmpopts.EquateComparable(netip.AddrPort{})}

// everyOp is a plan with every op, with most of their fields set.
func everyOp() Plan {
	settings := LoginSettings{HeaderDigest: []string{"CRC32C", "None"}, DataDigest: []string{"None"}, LoginTimeout: seconds(20), PingInterval: Never,
		CHAP: &CHAP{Name: "host", Secret: "twelve bytes", TargetName: "array", TargetSecret: "other twelve"}, Offers: []string{"MaxBurstLength=65536"}}
	act := func(a simtarget.Action) Step { return Step{Do: ArrayOp{Array: 1, Action: a}} }
	lun := uint32(1)
	return Plan{
		Name:   "every op: once",
		Arrays: []Array{{Portals: 2, Hidden: []string{"B"}, LUNs: []uint32{0, 5}, Change: "session: {max_per_initiator: 1}\n"}, {Profile: "plain"}},
		Initiator: Initiator{Name: "iqn.2026-01.org.example:host", Ports: 2, Login: settings,
			Settings: Settings{Interval: seconds(7), Removal: "never", BootRemoval: "0s", QueueEntries: 128, QueueBytes: 1 << 20}},
		Names: []HostName{{Name: "portal-b.test", Address: "10.0.0.2"}},
		Steps: []Step{
			{Label: "s", At: seconds(1), Deadline: seconds(20), Do: Login{Kind: "boot", Target: TargetName(1), Portal: "B", Port: 2, BootLUN: 5, Settings: settings}},
			{Do: LoginAll{Portals: []string{"A", "10.0.0.2:3260"}}},
			{Label: "clone", Do: AddSession{Clone: "s"}},
			{Do: AddSession{Kind: "data", Target: TargetName(1), Portal: "A", Port: 1, Settings: settings}},
			{Do: RemoveSession{Session: "clone"}}, {Do: Discover{}}, {Do: Ping{Session: "s", Size: 100}}, {Do: SendText{Pairs: []string{"MaxRecvDataSegmentLength=8192"}}}, {Do: ListSessions{}}, {Do: ListDevices{}},
			{Do: Set{Settings: Settings{Interval: seconds(1)}, Login: settings}}, {Do: Restart{Down: seconds(3)}},
			{Label: "w", Async: true, Do: Write{Session: "s", LUN: 5, LBA: 1000, Blocks: 8}}, {Do: Read{LBA: 1}}, {Do: Probe{}},
			{Do: Inquiry{LUN: 5, VPD: "83", Length: 64}}, {Do: ReportLUNs{Length: 16}}, {Do: ReadCapacity{LUN: 5}}, {Do: TestUnitReady{}},
			{Do: SynchronizeCache{}}, {Do: RawCDB{CDB: "1200000024ff", Read: 36}}, {Do: AbortTask{Of: "w", Nth: 1}}, {Do: LUNReset{LUN: 5}},
			{Do: Submit{Count: 8, Every: seconds(1), Step: 1, LUNs: []int{0, 5}, Deadline: seconds(9), Read: &Read{Session: "s", LBA: 7}}},
			{Async: true, Do: Load{Session: "s", Workers: 8, Every: seconds(0.1), For: seconds(10), Write: true, Verify: true}},
			{After: "s", At: seconds(30), Do: Sever{Link{Session: "s"}}}, {Do: Fin{Link{Portal: "A"}}}, {Do: Refuse{Link{Port: 2}}}, {Do: Blackhole{}},
			{Do: Silence{Direction: faults.ToTarget}}, {Do: Delay{Link: Link{Portal: "A"}, By: time.Millisecond}}, {Do: Heal{}},
			{Do: Inject{Fault: faults.Fault{Verb: faults.Reset, PDU: "login-response", Nth: 3, Byte: faults.Position{Offset: 20}}}},
			act(simtarget.Action{Login: &simtarget.LoginRule{Times: simtarget.Times{Skip: 1, Next: simtarget.Always}, Status: 0x0203, Delay: seconds(2),
				TSIH: new(uint16(0)), Keys: []simtarget.Setting{{Key: "MaxBurstLength", Value: "16384"}}, Which: simtarget.Which{Portal: "A", Nth: -1}}}),
			act(simtarget.Action{Login: &simtarget.LoginRule{Redirect: &simtarget.RedirectAnswer{Permanent: true, To: []string{"B"}}, At: simtarget.AtFinal}}),
			act(simtarget.Action{Login: &simtarget.LoginRule{Drop: simtarget.EndRST, Window: new(0), Patch: []simtarget.Patch{{Offset: 36, Bytes: []byte{1, 2}}}}}),
			act(simtarget.Action{Command: &simtarget.CommandRule{LUN: &lun, Opcodes: []byte{0x2a}, HoldResponse: true, Status: 8, Sense: simtarget.SenseCode{Key: 5, Code: 0x25}}}),
			act(simtarget.Action{Text: &simtarget.TextRule{Empty: true}}),
			act(simtarget.Action{Alter: &simtarget.AlterRule{Opcode: pdu.OpDataIn, Omit: true}}),
			act(simtarget.Action{Logout: &simtarget.LogoutRule{Response: 2, Time2Wait: 4}}),
			act(simtarget.Action{Async: &simtarget.Async{Event: 2, Parameter2: new(uint16(4)), Then: simtarget.EndFIN}}),
			act(simtarget.Action{LUN: &simtarget.LUNChange{Add: []simtarget.LUN{{Number: 2, Size: 1 << 20}}, Remove: []uint32{5}, UnitAttention: 0x3f0e}}),
			act(simtarget.Action{Window: &simtarget.Window{Size: 8, Tell: true}}), act(simtarget.Action{Restart: &simtarget.Restart{}}),
			act(simtarget.Action{Portal: &simtarget.PortalState{Name: "A", Drop: simtarget.EndSilent}}), act(simtarget.Action{Clear: &simtarget.Clear{Login: true}}),
			act(simtarget.Action{Release: &simtarget.Release{Next: 3}}), act(simtarget.Action{Ping: &simtarget.Ping{}}), act(simtarget.Action{Drop: &simtarget.Drop{}}),
			{Do: Wait{For: seconds(1)}}, {Do: WaitFor{Session: "s", State: "gone", Within: seconds(5)}},
			{Label: "polls", Do: Poll{Every: seconds(0.5), For: seconds(5), Do: Step{Do: ListDevices{}}}},
			{Label: "again", Do: Repeat{Times: 3, Steps: []Step{{Label: "inner", Do: Probe{}}, {After: "inner", At: seconds(1), Do: Sever{}}}}},
			{After: "again", Do: Logout{Session: "s"}},
		},
		Faults: []faults.Fault{{Verb: faults.Refuse, At: seconds(4), For: seconds(5)}},
		Until:  seconds(90),
	}
}

func TestAPlanReadsBackAsItself(t *testing.T) {
	plan := everyOp()
	if err := plan.Validate(); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, s := range plan.Steps {
		seen[s.Do.OpName()] = true
	}
	for _, name := range OpNames() {
		if !seen[name] {
			t.Errorf("the plan lacks %s", name)
		}
	}
	text := plan.String()
	back, err := ParsePlan([]byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if diff := cmp.Diff(plan, back, samePlan); diff != "" {
		t.Errorf("it came back different:\n%s\n%s", diff, text)
	}
	if again := back.String(); again != text {
		t.Errorf("it prints differently the second time:\n%s", cmp.Diff(text, again))
	}
}

func TestPlansOfChecksReadBackAsThemselves(t *testing.T) {
	for _, c := range Checks() {
		for _, p := range c.Runs {
			back, err := ParsePlan([]byte(p.String()))
			if err != nil {
				t.Errorf("%s: %v\n%s", c.ID, err, p)
				continue
			}
			if diff := cmp.Diff(p, back, samePlan); diff != "" {
				t.Errorf("%s: the plan came back different:\n%s", c.ID, diff)
			}
		}
	}
}

func TestImpossiblePlansAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"steps: []":            "no steps",
		"steps: [{do: dance}]": "no op",
		"steps: [{do: login, with: {kid: data}}]":                           "kid",
		"steps: [{do: login, color: red}]":                                  "color",
		"steps: [{do: logout, with: {session: s}}]":                         `label "s"`,
		"steps: [{do: wait, after: x}]":                                     `label "x"`,
		"steps: [{do: wait, at: -1s}]":                                      "negative",
		"steps: [{do: repeat, with: {times: 0, steps: [{do: wait}]}}]":      "rounds",
		"steps: [{do: poll, with: {every: 0s, for: 1s, step: {do: wait}}}]": "poll",
		"steps: [{do: submit, with: {count: 3}}]":                           "template",
		"steps: [{do: load, with: {for: 0s}}]":                              "load",
		"steps: [{do: inject, with: {fault: 'explode:at=1s'}}]":             "explode",
		"faults: ['drop:at=1s']\nsteps: [{do: wait}]":                       "pdu",
		"initiator: {ports: 99}\nsteps: [{do: wait}]":                       "ports",
	} {
		_, err := ParsePlan([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one about %s", text, err, want)
		}
	}
}
