package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/scsi"
)

// runOurs does a workload with package initiator.
func runOurs(ctx context.Context, url string, w workload, d time.Duration) (float64, error) {
	u, err := iscsi.ParseURL(url)
	if err != nil {
		return 0, err
	}
	cfg := initiator.LoginConfig{
		InitiatorName: "iqn.2026-11.io.github.iscsispec:bench", TargetName: u.Target, Portal: u.Portal, ISID: iscsi.RandomISID(0x62656e, 1),
		// As libiscsi has it unless told otherwise.
		HeaderDigest: []string{"None"}, DataDigest: []string{"None"},
	}
	if w.blocks == 0 {
		return logins(ctx, cfg, d)
	}
	session, err := initiator.Login(ctx, &net.Dialer{}, cfg)
	if err != nil {
		return 0, err
	}
	defer session.Close()
	lun := uint64(scsi.LUNOf(uint32(u.LUN)))
	blocks, _, err := session.ReadCapacity(ctx, lun)
	if err != nil {
		return 0, err
	}
	r := &reads{session: session, w: w, blocks: blocks, random: rand.New(rand.NewPCG(1, 2))}
	n, err := r.run(lun, d)
	if err != nil {
		return 0, err
	}
	return w.rate(n), session.Logout(ctx)
}

// logins logs in and out, one session after the other, and returns how many a second.
func logins(ctx context.Context, cfg initiator.LoginConfig, d time.Duration) (float64, error) {
	start, count := time.Now(), 0
	for time.Since(start) < d {
		session, err := initiator.Login(ctx, &net.Dialer{}, cfg)
		if err != nil {
			return 0, err
		}
		if err := session.Logout(ctx); err != nil {
			return 0, err
		}
		count++
	}
	return float64(count) / time.Since(start).Seconds(), nil
}

// reads keeps depth reads under way: each begins again as soon as it is done, where its Done is called.
type reads struct {
	session *initiator.Session
	w       workload
	blocks  uint64

	mu     sync.Mutex
	random *rand.Rand
	next   uint64
	count  int
	failed error

	over    atomic.Bool
	running sync.WaitGroup
}

// run returns how many reads a second were done.
func (r *reads) run(lun uint64, d time.Duration) (float64, error) {
	r.running.Add(r.w.depth)
	start := time.Now()
	for range r.w.depth {
		request := &initiator.Request{LUN: lun, CDB: scsi.Read10(0, uint16(r.w.blocks)), Read: make([]byte, 512*r.w.blocks), Done: r.done}
		r.aim(request)
		r.session.Submit(request)
	}
	time.Sleep(d)
	r.over.Store(true)
	r.running.Wait()
	passed := time.Since(start)
	return float64(r.count) / passed.Seconds(), r.failed
}

// done counts a read and begins the next one.
func (r *reads) done(request *initiator.Request) {
	r.mu.Lock()
	r.count++
	if request.Err != nil || scsi.Status(request.Status) != scsi.StatusGood || request.Transferred != len(request.Read) {
		sense, _ := scsi.ParseSense(request.Sense)
		if sense.Key != scsi.UnitAttention { // Which targets raise after a login.
			r.failed = fmt.Errorf("read: %s, %w", request.Outcome(), request.Err)
			r.over.Store(true)
		}
	}
	r.mu.Unlock()
	if r.over.Load() {
		r.running.Done()
		return
	}
	r.aim(request)
	r.session.Submit(request)
}

// aim gives a request its next place.
func (r *reads) aim(request *initiator.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := r.next
	if r.w.random {
		at = r.random.Uint64N(r.blocks - uint64(r.w.blocks))
	} else if r.next += uint64(r.w.blocks); r.next+uint64(r.w.blocks) > r.blocks {
		r.next = 0
	}
	binary.BigEndian.PutUint32(request.CDB[2:], uint32(at))
}
