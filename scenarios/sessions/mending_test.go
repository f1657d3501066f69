package sessions

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/faults"
	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/simtarget"
	"github.com/iscsispec/iscsispec/trace"
)

// mending is a run of the initiator against the array at recovery level 1, over a network that loses and spoils PDUs: every request has to end
// well, every byte to be right, and the one connection to last.
type mending struct {
	faults  string
	offers  []string
	profile func(*simtarget.Profile)
	lines   int // of the plan: how many must have fired
}

// mendingRun is what a run left.
type mendingRun struct {
	err    error
	fired  int
	logins int
	log    []byte
}

const (
	mendingWorkers = 4
	mendingBlock   = 48 << 10 // bytes of a request
	mendingRounds  = 3
)

// play writes and reads back from several workers at once.
func (m mending) play(t *testing.T, seed uint64) (run mendingRun) {
	t.Helper()
	err := scenarios.Bubble(t, 0, func(ctx context.Context) {
		log := trace.NewLog()
		network := faults.NewNetwork(seed, log, faults.Options{})
		defer network.Close()
		run.err = m.played(ctx, network, log, seed, &run)
		run.logins = len(log.Events().OfNode(trace.NodeInitiator).OfKind(trace.KindConnUp))
		var b bytes.Buffer
		if err := trace.WriteJSONL(&b, log.Events()); err != nil {
			run.err = err
		}
		run.log = b.Bytes()
	})
	if err != nil {
		t.Fatal(err)
	}
	return run
}

func (m mending) played(ctx context.Context, network *faults.Network, log *trace.Log, seed uint64, run *mendingRun) error {
	profile, err := simtarget.Builtin("plain")
	if err != nil {
		return err
	}
	profile.Session.ErrorRecoveryLevel, profile.Data.MaxRecvDataSegmentLength, profile.Data.InitialR2T = 1, 8192, false
	if m.profile != nil {
		m.profile(profile)
	}
	array, err := simtarget.New(profile, simtarget.Options{Log: log, Seed: seed})
	if err != nil {
		return err
	}
	if err := array.Start(network.Host(trace.NodeTarget, "10.0.0.9").Listen); err != nil {
		return err
	}
	defer func() { _ = array.Close() }() // the run is judged by then
	url := array.URLs()[0]
	cfg := initiator.LoginConfig{
		InitiatorName: "iqn.2026-01.io.iscsispec:mending", TargetName: url.Target, ISID: iscsi.RandomISID(1, 2), Portal: url.Portal,
		HeaderDigest: []string{"CRC32C"}, DataDigest: []string{"CRC32C"}, ErrorRecoveryLevel: 1, Log: log,
	}
	for _, o := range initiator.DefaultOffers(initiator.NormalSession) {
		for _, change := range m.offers {
			if key, value, _ := strings.Cut(change, "="); key == o.Key {
				o.Value = value
			}
		}
		cfg.Offers = append(cfg.Offers, o)
	}
	s, err := initiator.Login(ctx, network.Host(trace.NodeInitiator, "10.1.0.1"), cfg)
	if err != nil {
		return err
	}
	defer func() { _ = s.Logout(ctx) }() // the run is judged by then
	disk, err := initiator.OpenDisk(ctx, s, uint64(scsi.LUNOf(0)), initiator.DiskOptions{})
	if err != nil {
		return err
	}
	plan, err := faults.ParsePlan(m.faults)
	if err != nil {
		return err
	}
	injection, err := network.Run(plan)
	if err != nil {
		return err
	}
	errs := make([]error, mendingWorkers)
	var all sync.WaitGroup
	for w := range mendingWorkers {
		all.Go(func() { errs[w] = mendingWork(disk, w, seed) })
	}
	all.Wait()
	for _, c := range injection.Counts() {
		if c.Fired > 0 {
			run.fired++
		}
	}
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// mendingWork writes blocks and reads them back, in a part of the disk of its own.
func mendingWork(disk *initiator.Disk, w int, seed uint64) error {
	time.Sleep(time.Duration(w+1) * time.Millisecond) // the workers never act at one instant
	random := rand.New(rand.NewPCG(seed, uint64(w)))
	data, got := make([]byte, mendingBlock), make([]byte, mendingBlock)
	for round := range mendingRounds {
		for i := range data {
			data[i] = byte(random.Uint32())
		}
		at := int64(w*mendingRounds+round) * mendingBlock
		if _, err := disk.WriteAt(data, at); err != nil {
			return fmt.Errorf("worker %d, write %d: %w", w, round, err)
		}
		if _, err := disk.ReadAt(got, at); err != nil {
			return fmt.Errorf("worker %d, read %d: %w", w, round, err)
		}
		if !bytes.Equal(got, data) {
			return fmt.Errorf("worker %d, round %d: other data came back than was written", w, round)
		}
	}
	return nil
}

func (m mending) hold(t *testing.T, seed uint64) {
	t.Helper()
	run := m.play(t, seed)
	if run.err != nil {
		t.Errorf("%v\n%s", run.err, m.faults)
	}
	if run.fired < m.lines {
		t.Errorf("%d of %d faults fired:\n%s", run.fired, m.lines, m.faults)
	}
	if run.logins != 1 {
		t.Errorf("%d connections, want one that lasts:\n%s", run.logins, m.faults)
	}
	if again := m.play(t, seed); !bytes.Equal(again.log, run.log) {
		t.Error("two runs of one seed differ")
	}
}

// Whatever is lost or spoilt between the initiator and the array, one PDU at a time, is mended without another connection.
func TestOneLostPDUIsMended(t *testing.T) {
	for _, fault := range []string{
		"drop:pdu=data-in,nth=%d", "corrupt:pdu=data-in,nth=%d,byte=data+1", "drop:pdu=scsi-response,nth=%d", "drop:pdu=r2t,nth=%d",
		"drop:pdu=data-out,nth=%d", "corrupt:pdu=data-out,nth=%d,byte=data+1", "corrupt:pdu=data-out,nth=%d,byte=40",
		"drop:pdu=scsi-command,nth=%d", "corrupt:pdu=scsi-command,nth=%d,byte=data+1", "corrupt:pdu=scsi-command,nth=%d,byte=33",
	} {
		for _, nth := range []int{1, 2, 5} {
			if strings.Contains(fault, "command,nth=%d,byte=data") {
				nth = nth*2 - 1 // writes and reads take turns
			}
			text := fmt.Sprintf(fault, nth)
			t.Run(text, func(t *testing.T) {
				mending{faults: text, lines: 1, offers: []string{"MaxBurstLength=16384", "FirstBurstLength=16384"}}.hold(t, 1)
			})
		}
	}
}

// So is any mixture.
func TestManyLostPDUsAreMended(t *testing.T) {
	kinds := []string{
		"drop:pdu=data-in", "corrupt:pdu=data-in,byte=data+1", "drop:pdu=scsi-response", "drop:pdu=r2t", "drop:pdu=data-out",
		"corrupt:pdu=data-out,byte=data+1", "corrupt:pdu=data-out,byte=40", "drop:pdu=scsi-command", "corrupt:pdu=scsi-command,byte=33",
	}
	shapes := [][]string{nil, {"ImmediateData=No", "InitialR2T=Yes"}, {"ImmediateData=Yes", "InitialR2T=No", "FirstBurstLength=16384"}, {"MaxBurstLength=8192", "FirstBurstLength=8192", "MaxOutstandingR2T=4"}}
	for seed := range uint64(24) {
		random := rand.New(rand.NewPCG(seed, 7))
		var plan []string
		for range 2 + random.IntN(5) {
			kind := kinds[random.IntN(len(kinds))]
			verb, rest, _ := strings.Cut(kind, ":")
			plan = append(plan, fmt.Sprintf("%s:%s,nth=%d", verb, rest, 1+random.IntN(20)))
		}
		m := mending{faults: strings.Join(plan, "\n"), offers: shapes[seed%4], profile: func(p *simtarget.Profile) { p.Data.MaxOutstandingR2T = 4 }}
		t.Run(fmt.Sprint(seed), func(t *testing.T) { m.hold(t, seed) })
	}
}
