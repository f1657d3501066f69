package suite

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/iscsispec/iscsispec/faults"
	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/simtarget"
	"github.com/iscsispec/iscsispec/trace"
)

// carried is what a session of recovery level 2 with two connections did before an array that agrees to it.
type carried struct {
	events   []trace.Event
	errs     []string // of requests and logins
	sessions []simtarget.SessionInfo
	fired    int
}

// carry logs in, adds a connection, writes and reads over both, and looks at the medium, with faults on the way.
func carry(t *testing.T, planned ...faults.Fault) (c carried) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		profile, err := simtarget.Builtin("multi-portal")
		if err != nil {
			t.Fatal(err)
		}
		profile.Session.MaxConnections, profile.Session.ErrorRecoveryLevel, profile.Data.Time2Retain = 4, 2, 60
		profile.Data.MaxBurstLength, profile.Data.FirstBurstLength, profile.Data.ImmediateData = 16384, 8192, false
		log := trace.NewLog()
		network := faults.NewNetwork(1, log, faults.Options{})
		defer network.Close()
		array, err := simtarget.New(profile, simtarget.Options{Log: log})
		if err != nil {
			t.Fatal(err)
		}
		if err := array.Start(network.Host(trace.NodeTarget, "10.0.0.100").Listen); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := array.Close(); err != nil {
				t.Error(err)
			}
		}()
		injection, err := network.Run(faults.Plan(planned))
		if err != nil {
			t.Fatal(err)
		}
		c.work(t, array, network)
		c.sessions, c.events = array.Sessions(), log.Events()
		for _, n := range injection.Counts() {
			c.fired += n.Fired
		}
	})
	return c
}

// work is what carry does on the initiator's side.
func (c *carried) work(t *testing.T, array *simtarget.Array, network *faults.Network) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	a, err := iscsi.ParseAddress(array.Address("A"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := iscsi.ParseAddress(array.Address("B"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := initiator.Login(ctx, network.Host(trace.NodeInitiator, "10.0.9.1"), initiator.LoginConfig{
		InitiatorName: "iqn.2026-11.io.github.iscsispec:host", TargetName: array.URLs()[0].Target, ISID: iscsi.RandomISID(0x1234, 1), Portal: a,
		MaxConnections: 2, ErrorRecoveryLevel: 2, PingInterval: 5 * time.Second, PingTimeout: 5 * time.Second,
	})
	if err != nil {
		c.errs = append(c.errs, "login: "+err.Error())
		return
	}
	defer s.Close()
	for try := 0; ; try++ {
		if _, err = s.AddConnection(ctx, b); err == nil || try == 3 || errors.Is(err, initiator.ErrConnectionLimit) {
			break
		}
		time.Sleep(3 * time.Second)
	}
	if err != nil {
		c.errs = append(c.errs, "second connection: "+err.Error())
	}
	var mu sync.Mutex
	fail := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		c.errs = append(c.errs, fmt.Sprintf(format, args...))
	}
	var workers sync.WaitGroup
	for w := range 4 {
		workers.Go(func() {
			// Each worker begins at an instant of its own, so that which one comes first is no matter of chance.
			time.Sleep(time.Duration(w+1) * time.Millisecond)
			for round := range 2 {
				lba, data := uint32(256*w), stamp(w, round, (w+1)*20<<10)
				write := &initiator.Request{CDB: scsi.Write10(lba, uint16(len(data)/512)), Write: data}
				read := &initiator.Request{CDB: scsi.Read10(lba, uint16(len(data)/512)), Read: make([]byte, len(data))}
				for _, r := range []*initiator.Request{write, read} {
					if err := s.Do(ctx, r); err != nil || r.Status != 0 {
						fail("worker %d, round %d: %s", w, round, r.Outcome())
						return
					}
				}
				if !bytes.Equal(read.Read, data) {
					fail("worker %d, round %d: read other data than it wrote", w, round)
				}
			}
		})
	}
	workers.Wait()
	time.Sleep(backTime)
	for w := range 4 {
		data := stamp(w, 1, (w+1)*20<<10)
		read := &initiator.Request{CDB: scsi.Read10(uint32(256*w), uint16(len(data)/512)), Read: make([]byte, len(data))}
		if err := s.Do(ctx, read); err != nil || !bytes.Equal(read.Read, data) {
			fail("at the end of worker %d's blocks: %s, or other data than was written", w, read.Outcome())
		}
	}
	time.Sleep(backTime)
	if err := s.Logout(ctx); err != nil {
		fail("logout: %v", err)
	}
}

// backTime is when a connection that was cut is back for certain; no ping is due at its end.
const backTime = 42 * time.Second

// stamp is data that tells who wrote it, when, and where.
func stamp(worker, round, n int) []byte {
	data := make([]byte, n)
	for i := 0; i < n; i += 8 {
		binary.BigEndian.PutUint64(data[i:], uint64(worker)<<40|uint64(round)<<32|uint64(i))
	}
	return data
}

// thin is which share of the places is tried where ISCSISPEC_EXHAUSTIVE is not set: a prime, so that every kind of PDU and every place within PDUs has its
// turn.
const thin = 283

// A session of recovery level 2 loses no request and keeps its ID, wherever one of its connections is cut.
func TestSessionCarriesOnWhereverAConnectionIsCut(t *testing.T) {
	every := thin
	if os.Getenv("ISCSISPEC_EXHAUSTIVE") == "1" {
		every = 1
	}
	whole := carry(t)
	judgeCarried(t, "no cut", whole)
	for _, verb := range []faults.Verb{faults.Reset, faults.Fin, faults.Silence} {
		tried := 0
		for i, cut := range faults.Cuts(whole.events, verb) {
			// What is under way counts: not the logins and the logout, nor the pings of the idle time before it.
			kind, _, _ := strings.Cut(cut.PDU, "-")
			if kind == "login" || kind == "logout" || kind == "nop" || i%every != 0 {
				continue
			}
			tried++
			run := carry(t, cut)
			if run.fired == 0 {
				t.Errorf("%s never fired", cut)
			}
			judgeCarried(t, cut.String(), run)
		}
		t.Logf("%v: %d places", verb, tried)
	}
}

func judgeCarried(t *testing.T, cut string, c carried) {
	t.Helper()
	for _, err := range c.errs {
		t.Errorf("%s: %s", cut, err)
	}
	if len(c.sessions) > 0 {
		t.Errorf("%s: sessions are left: %+v", cut, c.sessions)
	}
	var opened []uint64
	for _, e := range c.events {
		if e.Kind == trace.KindTarget && e.State == "session-opened" {
			opened = append(opened, e.Session)
		}
	}
	if !slices.Equal(opened, []uint64{1}) {
		t.Errorf("%s: sessions %v were opened, want one", cut, opened)
	}
}
