package peers

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/faults"
	"github.com/iscsispec/iscsispec/faults/proxy"
	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/clocks"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/trace"
)

// In the long run, for which a machine has to be idle, the cadence on the wall clock is 5 s within realTolerance, and there are realCuts cuts within
// realBound. The short one, which any test of this project may run beside, has the first realShort kinds, and tells 5 s from other intervals: by
// half of it either way, unless the machine was later than realLateness to run a goroutine whose time had come. Then nothing is judged by the clock.
const (
	realTolerance  = 250 * time.Millisecond
	shortTolerance = 2500 * time.Millisecond
	realLateness   = 500 * time.Millisecond
	realCuts       = 20
	realBound      = 3 * time.Minute
	shortBound     = 15 * time.Minute
	realShort      = 2
)

// metronome tells how late the machine is at most, from time to time.
type metronome struct {
	stop chan struct{}
	done chan time.Duration
}

func startMetronome() *metronome {
	m := &metronome{make(chan struct{}), make(chan time.Duration)}
	go func() {
		const step = 10 * time.Millisecond
		worst := time.Duration(0)
		for {
			due := time.Now().Add(step)
			select {
			case <-time.After(step):
				worst = max(worst, time.Since(due))
			case <-m.stop:
				m.done <- worst
				return
			}
		}
	}()
	return m
}

// end gives the most by which the machine was late.
func (m *metronome) end() time.Duration {
	close(m.stop)
	return <-m.done
}

// realTimeVariable is the environment variable that, set to 1, has the long run.
const realTimeVariable = "ISCSISPEC_REALTIME"

// realKinds are the ways in which the link is cut, in turn. Each is put into force when the session is in use.
func realKinds() []string {
	return []string{
		"reset:at=0s",
		"refuse:at=0s,for=6s\nreset:at=0s", // one attempt is refused, the next is a login
		"fin:at=0s",
		"silence:dir=to-initiator,at=0s,for=4s", // noticed by a ping
		"reset:pdu=scsi-response,nth=1,byte=20",
		"reset:at=0s\nreset:pdu=login-response,nth=1,byte=20", // the attempt that follows is cut too
	}
}

// keeper keeps the events by which the clocks are judged: of PDUs those of logins and of what ends sessions, so that minutes of load are no burden.
type keeper struct {
	mu     sync.Mutex
	events []trace.Event
}

// Take implements trace.Sink.
func (k *keeper) Take(e trace.Event) {
	if e.PDU != nil {
		switch e.PDU.Opcode() {
		case pdu.OpLoginRequest, pdu.OpLoginResponse, pdu.OpLogoutRequest, pdu.OpLogoutResponse, pdu.OpAsyncMessage:
		default:
			return
		}
	}
	if e.Is(trace.KindRequest, trace.KindBytes) {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.events = append(k.events, e)
}

// AwaitRoom implements trace.Sink.
func (k *keeper) AwaitRoom() {}

func (k *keeper) all() trace.Events {
	k.mu.Lock()
	defer k.mu.Unlock()
	events := slices.Clone(k.events)
	trace.Sort(events)
	return events
}

// tgt behind the proxy, the session manager with all its defaults in front: the clocks hold in real time, and nothing that was written is lost. With
// ISCSISPEC_REALTIME=1 (make realtime) there are 20 cuts in less than 3 minutes; otherwise two, in about 15 s.
func TestClocksInRealTime(t *testing.T) {
	t.Parallel()
	// Without silence among the faults a ping that waits for the machine must not end a session.
	cuts, bound, tolerance, pingTimeout := realShort, shortBound, shortTolerance, 5*time.Minute
	long := os.Getenv(realTimeVariable) == "1"
	if long {
		cuts, bound, tolerance, pingTimeout = realCuts, realBound, realTolerance, time.Second
	}
	target := TGTFor(t, TGTConfig{Targets: []TGTTarget{{Disks: []int64{8 << 20}}}})
	kept := &keeper{}
	log := trace.NewStreamLog(kept, trace.Limits{})
	array, err := iscsi.ParseAddress(target.Address)
	if err != nil {
		t.Fatal(err)
	}
	// Refused connections are counted, so that the wire alone tells of them.
	p, err := proxy.New(proxy.Options{To: []proxy.To{{Array: array}}, Seed: 1, Log: log, RefuseByReset: true})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	defer cancel()
	h, err := logInWith(ctx, p.Portals()[0].Address, target.Target(0), initiator.ManagerConfig{
		Defaults: initiator.LoginSettings{PingInterval: time.Second, PingTimeout: pingTimeout}, Log: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	began, beat := time.Now(), startMetronome()
	loads := h.underLoad(ctx, 8<<20/blockSize, func() {
		for n := range cuts {
			if err := h.cut(ctx, p, realKinds()[n%len(realKinds())]); err != nil {
				t.Errorf("cut %d: %v", n+1, err)
				return
			}
		}
	})
	took, late := time.Since(began), beat.end()
	if err := <-loads; err != nil {
		t.Errorf("I/O was lost: %v", err)
	}
	if err := h.kept(); err != nil {
		t.Error(err)
	}
	if unfired := p.Unfired(); len(unfired) > 0 {
		t.Errorf("faults that never fired: %v", unfired)
	}
	events := kept.all()
	if t.Logf("the machine was late by up to %v", late); !long && late > realLateness {
		tolerance = shortBound
	}
	judgeRealTime(t, events, cuts, took, tolerance)
	wire := events.Where(func(e *trace.Event) bool { return !e.Is(trace.KindSession, trace.KindDevice) })
	judgeRealTime(t, wire, cuts, took, tolerance)
}

// judgeRealTime holds a trace to the guideline, and tells what was measured.
func judgeRealTime(t *testing.T, events trace.Events, cuts int, took, tolerance time.Duration) {
	terms := clocks.Guideline()
	terms.Tolerance = tolerance
	findings := clocks.Judge(events, terms)
	for _, f := range findings {
		if f.Verdict != scenarios.Pass {
			t.Errorf("%s: %s", f.Part, f.Reason)
		} else {
			t.Logf("%s: %s", f.Part, f.Reason)
		}
	}
	all := clocks.Sessions(events)
	if len(all) != 1 || len(all[0].Outages) != cuts {
		t.Errorf("%d sessions, want 1 with %d losses", len(all), cuts)
		return
	}
	var gaps []time.Duration
	for _, o := range all[0].Outages {
		starts := []time.Duration{o.Before.At}
		for _, a := range o.Attempts {
			starts = append(starts, a.At)
		}
		gaps = append(gaps, clocks.Gaps(starts)...)
	}
	if len(gaps) < cuts {
		t.Errorf("%d gaps between attempts, want %d or more", len(gaps), cuts)
		return
	}
	t.Logf("%d cuts in %v; %d gaps between attempts, from %v to %v", cuts, took.Round(time.Second), len(gaps), slices.Min(gaps), slices.Max(gaps))
}

// underLoad has blocks written and read, and compared, over and over while work is done, and gives what became of them.
func (h *host) underLoad(ctx context.Context, blocks uint64, work func()) <-chan error {
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() {
		for seed := uint64(1); ; seed++ {
			l := &load{seed: seed, blocks: blocks, maxDepth: 4, do: func(ctx context.Context, r *initiator.Request) error {
				time.Sleep(5 * time.Millisecond) // a steady load leaves the machine to the clocks
				return h.DoDevice(ctx, h.disk, r)
			}}
			if err := l.run(ctx); err != nil {
				done <- err
				return
			}
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
		}
	}()
	work()
	close(stop)
	return done
}

// cut puts faults into force and waits until the session was lost and is in use again.
func (h *host) cut(ctx context.Context, p *proxy.Proxy, text string) error {
	before, err := h.Session(h.id)
	if err != nil {
		return err
	}
	plan, err := faults.ParsePlan(text)
	if err != nil {
		return err
	}
	if _, err := p.Inject(plan); err != nil {
		return err
	}
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		now, err := h.Session(h.id)
		if err != nil {
			return err
		}
		if now.Logins > before.Logins && now.State == initiator.StateConnected {
			break
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("%s: the session is %v after %d attempts: %w", text, now.State, now.Attempts, context.Cause(ctx))
		}
	}
	// A unit attention is an answer too: the next cut meets the session in use.
	return h.DoDevice(ctx, h.disk, &initiator.Request{CDB: scsi.Read(0, 1), Read: make([]byte, blockSize)})
}
