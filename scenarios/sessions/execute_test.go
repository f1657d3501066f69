package sessions

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/faults"
	"github.com/iscsispec/iscsispec/simtarget"
	"github.com/iscsispec/iscsispec/trace"
)

func mustExecute(t *testing.T, p Plan) *Run {
	t.Helper()
	r, err := Execute(p, Options{T: t, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestEveryShippedProfileStands(t *testing.T) {
	for _, name := range simtarget.Builtins() {
		p, err := simtarget.Builtin(name)
		if err != nil {
			t.Fatal(err)
		}
		login := Login{}
		for _, target := range p.Targets {
			if len(target.Portals) == 0 || slices.Contains(target.Portals, p.Portals[0].Name) {
				login.Target = target.Name
				break
			}
		}
		if users := p.Login.CHAP.Users; len(users) > 0 {
			login.Settings.CHAP = &CHAP{Name: users[0].Name, Secret: users[0].Secret}
		}
		if p.Data.HeaderDigest == simtarget.DigestRequire {
			login.Settings.HeaderDigest, login.Settings.DataDigest = []string{"CRC32C"}, []string{"CRC32C"}
		}
		r := mustExecute(t, Plan{Arrays: []Array{{Profile: name}}, Steps: []Step{{Label: "s", Do: login}, {Label: "units", Do: ReportLUNs{}}}})
		if o := r.Op("s"); o.Outcome != OK || r.Op("units").Outcome != Good || len(r.Trouble) > 0 {
			t.Errorf("%s: %s %s, then %s; %v", name, o.Outcome, o.Err, r.Op("units").Outcome, r.Trouble)
		}
	}
}

func TestStepsHappenWhenTheyShould(t *testing.T) {
	r := mustExecute(t, Plan{
		Steps: []Step{
			{Label: "a", Do: Wait{For: seconds(1)}},
			{Label: "b", At: seconds(5), Do: Wait{For: seconds(2)}, Async: true},
			{Label: "c", After: "b", Do: Wait{}},
			{Label: "d", After: "b", At: seconds(3), Do: Wait{}},
			{Label: "poll", Do: Poll{Every: seconds(1), For: seconds(3), Do: Step{Do: ListSessions{}}}},
			{Label: "rounds", Do: Repeat{Times: 3, Steps: []Step{{Label: "in", Do: Wait{For: seconds(1)}}, {After: "in", At: seconds(1), Do: Wait{}}}}},
			{Label: "e", After: "rounds", Do: Wait{}},
		},
		Until: seconds(60),
	})
	for label, want := range map[string]float64{"a": 0, "b": 5, "c": 7, "d": 10, "poll": 10, "in": 13, "e": 19} {
		if at := r.Op(label).Begin; at < seconds(want) || at > seconds(want)+time.Millisecond {
			t.Errorf("%s began at %v, want %v s", label, at, want)
		}
	}
	if polls, rounds := len(r.Ops("poll")), len(r.Ops("in")); polls != 4 || rounds != 3 {
		t.Errorf("%d polls and %d rounds, want 4 and 3", polls, rounds)
	}
	if r.Ended < seconds(60) || r.Ended > seconds(60)+time.Millisecond || len(r.Trouble) > 0 {
		t.Errorf("it ended at %v, want 60 s; %v", r.Ended, r.Trouble)
	}
}

func TestWhatGoesWrongWithARunIsTold(t *testing.T) {
	for name, tt := range map[string]struct {
		steps []Step
		want  string
	}{
		"late":       {[]Step{{Do: Wait{For: seconds(5)}}, {Label: "x", At: seconds(3), Do: Wait{}}}, "x (wait) was due at 3s"},
		"no portal":  {[]Step{{Label: "x", Do: Login{Portal: "nowhere"}}, {Do: Sever{Link{Session: "x"}}}}, "could not be done"},
		"no request": {[]Step{{Label: "x", Do: Wait{}}, {Do: AbortTask{Of: "x"}}}, "0 requests"},
		"bad rule":   {[]Step{{Do: ArrayOp{Array: 7, Action: simtarget.Action{Restart: &simtarget.Restart{}}}}}, "no array 7"},
		"never":      {[]Step{{Label: "s", Do: Login{}}, {Do: WaitFor{Session: "s", State: StateReconnecting, Within: seconds(1)}}}, "was not reconnecting"},
		"poll":       {[]Step{{Do: Poll{Every: seconds(1), For: seconds(1), Do: Step{Do: Repeat{Times: 1, Steps: []Step{{Do: Wait{}}}}}}}}, "cannot be polled"},
	} {
		r := mustExecute(t, Plan{Steps: tt.steps})
		if len(r.Trouble) == 0 || !strings.Contains(strings.Join(r.Trouble, "; "), tt.want) {
			t.Errorf("%s: trouble %q, want one about %q", name, r.Trouble, tt.want)
		}
	}
}

func TestAFaultThatNeverFiresShows(t *testing.T) {
	cut := faults.Fault{Verb: faults.Reset, PDU: "reject"}
	r := mustExecute(t, Plan{Steps: established(), Faults: []faults.Fault{cut, {Verb: faults.Reset, PDU: "login-response", Nth: 2, Byte: faults.Position{Offset: 20}}}})
	if len(r.Faults) != 2 || r.Faults[0].Fired != 0 || r.Faults[1].Fired != 1 {
		t.Errorf("faults: %+v", r.Faults)
	}
}

func TestLoadVerifiesWhatItWrites(t *testing.T) {
	r := mustExecute(t, Plan{Steps: append(established(),
		Step{Label: "load", Async: true, Do: Load{Workers: 4, Every: 100 * time.Millisecond, For: seconds(2), Write: true, Verify: true}},
		Step{Label: "late", After: "load", Do: Wait{}})})
	ops := r.Ops("load")
	if n := len(ops); n < 100 || n > 200 {
		t.Errorf("%d requests, want about 160", n)
	}
	stamps := map[string]int{}
	for _, o := range ops {
		if o.Outcome != Good {
			t.Errorf("request %d: %s", o.N, o.Outcome)
		}
		stamps[o.Head]++
	}
	for stamp, n := range stamps {
		if n != 2 { // one write and the read that verifies it
			t.Errorf("%s was moved %d times, want 2", stamp, n)
		}
	}
	if at := r.Op("late").Begin; at < seconds(1.9) {
		t.Errorf("the load ended at %v, want after the last of its requests, submitted at 1.9 s", at)
	}
}

func TestTheArrayTellsWhatItExecuted(t *testing.T) {
	r := mustExecute(t, Plan{Steps: append(established(), Step{Label: "w", Do: Submit{Count: 5, Step: 1, Write: &Write{LBA: 1000}}}, Step{Do: Logout{}})})
	var writes []string
	for _, x := range r.Executed() {
		if strings.HasPrefix(x.Command, "WRITE") {
			writes = append(writes, fmt.Sprintf("%d/%d+%d", x.LUN, x.LBA, x.Blocks))
		}
	}
	if got := strings.Join(writes, " "); got != "0/1000+1 0/1001+1 0/1002+1 0/1003+1 0/1004+1" {
		t.Errorf("executed %s", got)
	}
	if r.Live(r.Op("w").End) != 1 || r.Live(r.Ended) != 0 {
		t.Errorf("%d sessions at the array during, %d after the logout", r.Live(r.Op("w").End), r.Live(r.Ended))
	}
	if opened := r.Array("session-opened"); len(opened) != 1 || opened[0].Node == trace.NodeTarget {
		t.Errorf("opened: %+v", opened)
	}
}
