package simtarget

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/iscsispec/iscsispec/scsi"
)

func (p *Profile) checkLogin() error {
	for i, r := range p.Login.Refuse {
		at := fmt.Sprintf("login.refuse[%d]", i)
		if err := checkShape(at+".with", r.With, ExcessFIN, ExcessRST, ExcessSilent); err != nil {
			return err
		}
		if err := p.checkTargetName(at+".target", r.Target); err != nil {
			return err
		}
		if r.Portal != "" {
			if err := p.checkPortalName(at+".portal", r.Portal); err != nil {
				return err
			}
		}
	}
	for _, s := range []struct {
		at     string
		status Status
	}{{"login.allow_status", p.Login.AllowStatus}, {"login.suspended_status", p.Login.SuspendedStatus}} {
		if !refusing(s.status) {
			return wrong(s.at, "status 0x%04x, want one of class 2 or 3", uint16(s.status))
		}
	}
	if err := p.checkPortalNames("login.chap.open_portals", p.Login.CHAP.OpenPortals); err != nil {
		return err
	}
	for i, n := range p.Login.CHAP.Algorithms {
		if n < 5 || n > 8 {
			return wrong(fmt.Sprintf("login.chap.algorithms[%d]", i), "CHAP algorithm %d, want 5 to 8", n)
		}
	}
	return nil
}

func (p *Profile) checkRedirect() error {
	const at = "login.redirect."
	r := p.Login.Redirect
	if err := oneOf(at+"mode", r.Mode, "", RedirectNone, RedirectTemporary, RedirectPermanent); err != nil {
		return err
	}
	if err := oneOf(at+"pick", r.Pick, "", PickRoundRobin, PickFixed, PickLeastSessions, PickSticky, PickInitiator, PickOwner); err != nil {
		return err
	}
	if err := p.checkPortalNames(at+"from", r.From); err != nil {
		return err
	}
	return p.checkPortalNames(at+"to", r.To)
}

// checkShape takes a login status of a refusal, or one of the other shapes.
func checkShape(at string, e Excess, shapes ...Excess) error {
	status, isStatus := e.status()
	if isStatus {
		if !refusing(Status(status)) {
			return wrong(at, "%q is no refusal, want a status of class 2 or 3", e)
		}
		return nil
	}
	err := oneOf(at, e, shapes...)
	if f := (*fieldError)(nil); errors.As(err, &f) {
		return wrong(f.path, "%s, or a login status such as 0x0206", f.reason)
	}
	return err
}

func (p *Profile) checkSession() error {
	s := p.Session
	if err := checkShape("session.on_excess", s.OnExcess, ExcessFIN, ExcessRST, ExcessSilent, ExcessKillOldest); err != nil {
		return err
	}
	if err := oneOf("session.identity", s.Identity, IdentityNameISIDTag, IdentityNameISID, IdentityName, IdentityAddress,
		IdentityNone); err != nil {
		return err
	}
	return oneOf("session.replaced", s.Replaced, EndFIN, EndRST, EndAsync, EndSilent)
}

func (p *Profile) checkData() error {
	d := p.Data
	digests := []DigestPolicy{DigestNone, DigestAllow, DigestRequire}
	if err := oneOf("data.header_digest", d.HeaderDigest, digests...); err != nil {
		return err
	}
	if err := oneOf("data.data_digest", d.DataDigest, digests...); err != nil {
		return err
	}
	for value := range strings.SplitSeq(d.TaskReporting, ",") {
		if err := oneOf("data.task_reporting", value, "", "RFC3720", "ResponseFence", fastAbort); err != nil {
			return err
		}
	}
	return nil
}

// checkRanges holds every number to its range.
func (p *Profile) checkRanges() error {
	s, d := p.Session, p.Data
	for _, f := range []struct {
		at              string
		value, low, top int
	}{
		{"session.max_per_target", s.MaxPerTarget, 0, SessionsMax}, {"session.max_per_initiator", s.MaxPerInitiator, 0, SessionsMax},
		{"session.max_total", s.MaxTotal, 0, SessionsMax},
		{"session.command_window", s.CommandWindow, 1, windowMax}, {"session.immediate_commands", s.ImmediateCommands, 1, windowMax},
		{"session.max_connections", s.MaxConnections, 1, sessionConnectionsMax},
		{"session.error_recovery_level", s.ErrorRecoveryLevel, 0, 2},
		{"session.ping_lun", int(s.PingLUN), 0, scsi.MaxFlatLUN},
		{"data.protocol_level", d.ProtocolLevel, 0, 2},
		{"data.max_recv_data_segment_length", d.MaxRecvDataSegmentLength, 512, 1<<24 - 1},
		{"data.max_burst_length", d.MaxBurstLength, 512, 1<<24 - 1},
		{"data.first_burst_length", d.FirstBurstLength, 512, d.MaxBurstLength},
		{"data.max_outstanding_r2t", d.MaxOutstandingR2T, 1, 65535},
		{"data.time2wait", d.Time2Wait, 0, 3600}, {"data.time2retain", d.Time2Retain, 0, 3600},
		{"recovery.retained_bytes", p.Recovery.RetainedBytes, 4096, 1 << 30},
		{"recovery.retained_responses", p.Recovery.RetainedResponses, 1, 65536}, {"recovery.attempts", p.Recovery.Attempts, 1, 100},
	} {
		if f.value < f.low || f.value > f.top {
			return wrong(f.at, "%d, want %d to %d", f.value, f.low, f.top)
		}
	}
	const day = 24 * time.Hour
	for _, f := range []struct {
		at              string
		value, low, top time.Duration
	}{
		{"login.timeout", p.Login.Timeout, time.Second, day}, {"login.delay", p.Login.Delay, 0, day},
		{"session.excess_delay", s.ExcessDelay, 0, day}, {"session.excess_poll", s.ExcessPoll, 0, day},
		{"session.stale_timeout", s.StaleTimeout, 0, day},
		{"session.ping_interval", s.PingInterval, 0, day}, {"session.ping_timeout", s.PingTimeout, 0, day},
		{"recovery.timeout", p.Recovery.Timeout, 100 * time.Millisecond, day},
		{"failover.logout_within", p.Failover.LogoutWithin, 0, 65535 * time.Second},
		{"failover.logout_reply_delay", p.Failover.LogoutReplyDelay, 0, day},
		{"failover.alua.transition", p.Failover.ALUA.Transition, 0, day},
	} {
		if f.value < f.low || f.value > f.top {
			return wrong(f.at, "%q, want %s to %s", f.value, f.low, f.top)
		}
	}
	return nil
}
