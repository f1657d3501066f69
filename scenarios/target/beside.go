package target

import (
	"path"

	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// manner is how checks bear company: other checks that run at the same target on the network at the same time.
type manner struct {
	ids string // a glob
	// sessions is what each of the checks has at once at most; 0 where it runs alone.
	sessions int
	unit     scenarios.UnitUse
	why      string
}

// What a check is unless manners say otherwise: two sessions at most, under ISIDs of their own, and commands on the logical unit that keep
// to blocks of the check's own. It does nothing that reaches beyond the I_T nexus, and counts nothing that belongs to all.
const usualSessions = 2

// manners lists the checks that are otherwise; the first line that fits counts.
var manners = []manner{
	// What may harm a weak target, or takes what all share: connections, sessions, time.
	{ids: "robustness.framing.random-bytes-before-login", sessions: 8, unit: scenarios.UnitSpared, why: "25 connections at once, none of them a session"},
	{ids: "robustness.login.half-open-timeout", sessions: 4, unit: scenarios.UnitSpared, why: "pings beside logins that do not go on"},
	{ids: "robustness.length.huge-declared-never-sent", sessions: hugeBeside, why: "a session for each header"},
	{ids: "robustness.ffp.peer-stops-reading", sessions: 2},
	{ids: "robustness.ffp.half-close", sessions: 2},
	{ids: "robustness.pdu.write-with-no-data-ever", sessions: 2},
	{ids: "robustness.login.connection-flood", why: "500 connections"},
	{ids: "robustness.*", sessions: 4, unit: scenarios.UnitSeized, why: "hostile bytes, which a weak target does not survive"},
	{ids: "auth.chap.challenge-fresh-each-time", sessions: 10, unit: scenarios.UnitSeized, why: "ten logins at once"},
	{ids: "auth.*", sessions: 4, unit: scenarios.UnitSeized, why: "a target may lock out a name whose proofs fail"},
	{ids: "session-management.limit.login-logout-churn", sessions: 2, unit: scenarios.UnitSeized, why: "it measures how long logins take"},
	{ids: "session-management.limit.*", why: "it opens as many sessions as it gets"},
	{ids: "session-management.clone.parallel-login-race", why: "16 logins at once"},
	{ids: "session-management.redirect.*", why: "where a login is sent depends on those before it"},
	{ids: "session-management.default.*", sessions: 4},
	{ids: "session-management.clone.existing-undisturbed-under-load", sessions: 3},
	{ids: "async.fastabort-event.only-if-negotiated", sessions: 2, unit: scenarios.UnitSeized, why: "LOGICAL UNIT RESET"},
	{ids: "login.target.removed-status", why: "a target that is taken away"},
	{ids: "login.status.service-unavailable", why: "a target that is taken away"},
	{ids: "login.status.target-error-class", why: "a target that is out of order"},
	{ids: "login.authorization.denied-initiator-refused", why: "a change of who may log in"},
	{ids: "logout.pending-async.logout-honoured", why: "an action outside the wire, which all sessions may feel"},
	{ids: "async.*", why: "an action outside the wire, which all sessions may feel"},
	{ids: "tmf.target-*", why: "a reset of the whole target"},

	// What ends tasks of others, makes them wait, or keeps others out.
	{ids: "tmf.abort-task*", sessions: 2},
	{ids: "tmf.immediate.*", sessions: 2},
	{ids: "tmf.response-fence.*", sessions: 2},
	{ids: "tmf.multi-task.no-r2t-after-response", sessions: 2},
	{ids: "tmf.*", sessions: 2, unit: scenarios.UnitSeized, why: "LOGICAL UNIT RESET, CLEAR TASK SET, and whatever a target makes of an unknown function"},
	{ids: "discovery.restrictions.*task-management*", sessions: 2, unit: scenarios.UnitSeized, why: "LOGICAL UNIT RESET, should the target obey"},
	{ids: "session-management.state.*", sessions: 2, unit: scenarios.UnitSeized, why: "RESERVE(6)"},
	{ids: "session-management.identity.initiator-port-name-encoding", sessions: 2, unit: scenarios.UnitSeized, why: "registrations of reservation keys"},
	{ids: "ffp-sequencing.cmdsn.ordered-delivery-inside-batch", sessions: 2, unit: scenarios.UnitSeized, why: "an ORDERED task waits for the tasks of others"},
	{ids: "ffp-sequencing.response.status-qualifier-zero", sessions: 2, unit: scenarios.UnitSeized, why: "RESERVE(6)"},
	{ids: "ffp-sequencing.task-attributes.*", sessions: 2, unit: scenarios.UnitSeized, why: "ORDERED and ACA tasks"},

	// What notices nothing of the logical unit, and waits.
	{ids: "discovery.restrictions.unsolicited-pdus", sessions: 1, unit: scenarios.UnitSpared},
	{ids: "nop.unsolicited.format", sessions: 1, unit: scenarios.UnitSpared},
	{ids: "recovery.session-continuation.after-retain-expired", sessions: 1, unit: scenarios.UnitSpared},

	{ids: "discovery.*", sessions: 4},
	{ids: "reject.reason.withdrawn-not-used", sessions: 4},
	{ids: "multi-connection.*", sessions: 5, why: "some targets count connections"},
}

// mannerOf is how a check bears company.
func mannerOf(id string) manner {
	for _, m := range manners {
		if fits, err := path.Match(m.ids, id); fits && err == nil {
			return m
		}
	}
	return manner{ids: id, sessions: usualSessions}
}

// rangeSize is how many bytes of the logical unit a check has to itself while others run beside it, and rangesMax how many such ranges there
// are at most: 64 MiB in all, so that what is written stays at the beginning of the unit.
const (
	rangeSize = 4 << 20
	rangesMax = 16
)

// rangesOf is into how many ranges checks divide a logical unit.
func rangesOf(unit probe.Capacity) int {
	return int(max(1, min(rangesMax, unit.Blocks*uint64(unit.BlockSize)/rangeSize)))
}

// ownBlocks are the blocks that a check keeps to: where they begin, and how many they are; 0 is all that there are.
func ownBlocks(env *scenarios.Env, unit probe.Capacity) (first, own uint32) {
	if env.Ranges < 2 || unit.BlockSize == 0 {
		return 0, 0
	}
	own = max(1, rangeSize/unit.BlockSize)
	return uint32(env.Range) * own, own
}
