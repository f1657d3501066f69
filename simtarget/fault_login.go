package simtarget

import (
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

// This file is what faulty arrays do in the login phase.

func (l *login) key() portKey { return portKey{l.initiator, l.isid} }

// enterLogin is where a faulty array keeps a login waiting before it reads anything.
func (a *Array) enterLogin(l *login) bool {
	a.mu.Lock()
	stuck := a.faults.lockLeaked
	a.mu.Unlock()
	if stuck {
		<-l.c.gone
		return false
	}
	if !a.dev.Robustness.SerialLogin {
		return true
	}
	select {
	case a.faultLocks.gate <- struct{}{}:
		l.gated = true
		return true
	case <-l.c.gone:
		return false
	}
}

// leaveLogin is where a faulty array remembers a login that was broken off. The caller holds the lock.
func (a *Array) leaveLogin(l *login) {
	if l.gated {
		<-a.faultLocks.gate
	}
	if l.named && a.dev.Sessions.ReinstatementDeadlock {
		a.faults.logins[l.key()]--
	}
	if a.dev.Method.LeakOnFailure && l.refused && l.chap != nil && !l.chap.Done() {
		a.faults.leakedSlots++
	}
	if !l.named || l.granted != nil || l.refused {
		return
	}
	if a.dev.Robustness.LeakLoginLock {
		a.faults.lockLeaked = true
	}
	if a.dev.Negotiation.ZombieLogin {
		mark(&a.faults.zombies, l.key(), true)
	}
}

// begin is where a faulty array counts the logins of one initiator port.
func (a *Array) begin(l *login) {
	if !a.dev.Sessions.ReinstatementDeadlock {
		return
	}
	a.mu.Lock()
	mark(&a.faults.logins, l.key(), a.faults.logins[l.key()]+1)
	if a.faults.logins[l.key()] > 1 {
		mark(&a.faults.deadlocked, l.key(), true)
	}
	a.mu.Unlock()
	l.c.pause(deadlockWindow)
	a.mu.Lock()
	stuck := a.faults.deadlocked[l.key()]
	a.mu.Unlock()
	if stuck {
		<-l.c.gone
	}
}

// deadlockWindow is how long a login takes that could meet another one.
const deadlockWindow = 50 * time.Millisecond

// refuseLost makes a faulty array take the initiator port of a session that has lost its connection for busy.
func (a *Array) refuseLost(s *session) {
	if !a.dev.Recovery.RefuseUntilKeepAlive {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	mark(&a.faults.zombies, portKey{s.initiator, s.isid}, true)
}

// zombie refuses an initiator port that a faulty array takes for busy.
func (a *Array) zombie(l *login) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.faults.zombies[l.key()] {
		return refuse(iscsi.StatusOutOfResources, "this initiator port is taken")
	}
	return nil
}

// secondDiscovery refuses a Discovery login beside a session of the same initiator port.
func (a *Array) secondDiscovery(l *login) error {
	if !a.dev.Discovery.RefuseSecond {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range a.table.sessions {
		if s.discovery && s.initiator == l.initiator && s.isid == l.isid {
			return refuse(iscsi.StatusOutOfResources, "a Discovery session of this initiator port lives")
		}
	}
	return nil
}

// slowness is what SlowChurn adds to a login.
func (a *Array) slowness() time.Duration {
	if !a.dev.Sessions.SlowChurn {
		return 0
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return time.Duration(a.faults.closed) * 20 * time.Microsecond
}

// distortDigests is where faulty arrays use other digests than were agreed.
func (l *login) distortDigests() {
	a, c, dev := l.array, l.c, l.dev
	if dev.Keys.DigestUnagreed && c.digests == (pdu.Digests{}) {
		c.digests = pdu.Digests{Header: true, Data: true}
	}
	if dev.Keys.BothDigestsWithHeader && c.digests.Header {
		c.digests.Data = true
	}
	if l.discovery || !dev.Sessions.RememberDigests && !dev.Sessions.DigestsPerInitiator {
		return
	}
	key := l.key()
	if dev.Sessions.DigestsPerInitiator {
		key.isid = iscsi.ISID{}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	remembered, known := a.faults.digests[key]
	mark(&a.faults.digests, key, c.digests)
	if known {
		c.digests = remembered
	}
}

// inherit is where faulty arrays carry something over from a session that is replaced.
func (l *login) inherit(s, old *session) {
	old.mu.Lock()
	defer old.mu.Unlock()
	if l.dev.Recovery.KeepExpCmdSN {
		s.order.exp = old.order.exp
		s.order.top = old.order.exp - 1
	}
	if c := old.lead(); l.dev.Sessions.CopyDigests && c != nil {
		l.c.digests = c.digests
	}
}

// distortOffers and distortAnswers are where faulty arrays negotiate badly.
func (l *login) distortOffers(offers text.Pairs) text.Pairs {
	if !l.dev.Negotiation.OwnDigestOrder {
		return offers
	}
	for i, p := range offers {
		if p.Key == text.KeyHeaderDigest || p.Key == text.KeyDataDigest {
			for _, value := range text.ParseList(p.Value) {
				if value == "CRC32C" {
					offers[i].Value = value
				}
			}
		}
	}
	return offers
}

func (l *login) distortAnswers(offers, answers text.Pairs) text.Pairs {
	dev := &l.dev.Negotiation
	var kept text.Pairs
	for _, p := range answers {
		offer, _ := offers.Get(p.Key)
		switch {
		case dev.IgnoreUnknownKeys && p.Value == text.NotUnderstood:
		case dev.SilentAgreement && p.Key == text.KeyMaxOutstandingR2T && p.Value == offer:
		default:
			kept = append(kept, p)
		}
	}
	return kept
}

// earlyCleanUp is where faulty arrays end sessions before the login that would replace them has succeeded.
func (a *Array) earlyCleanUp(l *login) {
	a.mu.Lock()
	var ended []*session
	for _, s := range a.table.sessions {
		if a.replaces(l, s) || a.dev.Redirect.CleanUpFirst && s.initiator == l.initiator && s.target == l.target {
			ended = append(ended, s)
		}
	}
	a.mu.Unlock()
	for _, s := range ended {
		a.closeSession(s, EndFIN, reasonReinstated)
	}
}

// dropLater ends the sessions of a redirected initiator. The caller holds the lock.
func (a *Array) dropLater(l *login) {
	for _, s := range a.table.sessions {
		if s.initiator == l.initiator && (a.dev.Redirect.DropExisting || a.replaces(l, s)) {
			time.AfterFunc(0, func() { a.closeSession(s, EndFIN, reasonEvicted) })
		}
	}
}

// routeToFirst makes a clone's responses go to the first session of the initiator. The caller holds the array's lock.
func (a *Array) routeToFirst(l *login, s *session) {
	if !a.dev.Sessions.CloneResponsesToFirst || s.discovery {
		return
	}
	for _, other := range a.table.sessions {
		if other != s && other.initiator == l.initiator && other.target == l.target && !other.discovery {
			other.mu.Lock()
			s.faults.route = other.lead()
			other.mu.Unlock()
			return
		}
	}
}

// told is the tag that logins at a portal are told.
func (a *Array) told(p *portal) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	tag := p.Tag
	if a.dev.Keys.PortalGroupTagOne {
		tag = 1
	}
	if a.dev.Sessions.FirstTagEverywhere {
		tag = a.portals[0].Tag
	}
	return fmt.Sprint(tag)
}
