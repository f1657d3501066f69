package simtarget

import (
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

// LoginFormDeviations are faults about the form of Login Requests and Responses: stages, versions, the C bit, and what must stay the same over
// a login.
type LoginFormDeviations struct {
	// ProposesInFinal proposes MaxBurstLength in the final response where the initiator has not offered it.
	ProposesInFinal bool
	// LongResponses sends texts of up to twice the 8192 bytes that a login PDU may carry.
	LongResponses bool
	// ContinuesWithTransit sets T=1 and NSG=3 in every response that has C=1.
	ContinuesWithTransit bool
	// ActiveVersionOne answers with Version-active 1.
	ActiveVersionOne bool
	// IgnoresVersionMin looks at Version-min no more than if it were 0.
	IgnoresVersionMin bool
	// DemandsOwnVersion refuses every Version-max but its own.
	DemandsOwnVersion bool
	// ActiveFromRequest copies Version-active from the Version-min of the request at hand.
	ActiveFromRequest bool
	// JudgesFragment misses a TargetName in a first request although its text goes on.
	JudgesFragment bool
	// AnswersAtOnce answers the whole keys in a request with C=1.
	AnswersAtOnce bool
	// ParsesEachPDU takes every Login Request for a text of its own, its C bit unseen.
	ParsesEachPDU bool
	// TransitsWithContinue takes a request with T=1 and C=1 as if it had C=0.
	TransitsWithContinue bool
	// MapsReservedStage takes the current stage 2 for the operational one.
	MapsReservedStage bool
	// GrantsReservedStage grants a transition to stage 2.
	GrantsReservedStage bool
	// GrantsBackwards grants the way back to the security stage.
	GrantsBackwards bool
	// GrantsSameStage grants a transition to the current stage.
	GrantsSameStage bool
	// TrustsStage takes each request's CSG for the stage of the login.
	TrustsStage bool
	// StartsInFullFeature takes a first request in stage 3 for one of the operational stage.
	StartsInFullFeature bool
	// ChallengesLate takes up CHAP in the operational stage.
	ChallengesLate bool
	// ServesBeforeLogin answers a SCSI Command on a connection that never logged in.
	ServesBeforeLogin bool
	// PingsDuringLogin answers pings during the login.
	PingsDuringLogin bool
	// HoldsEarlyCommands keeps a SCSI Command that comes during the login, and answers it when full feature phase begins.
	HoldsEarlyCommands bool
	// LogsInAgain answers a Login Request in full feature phase with Status 0.
	LogsInAgain bool
	// RefusesEmptyRequests refuses the second request in a row that has no text.
	RefusesEmptyRequests bool
	// QueuesRepeatedCmdSN waits for another CmdSN when a Login Request has that of the one before.
	QueuesRepeatedCmdSN bool
	// TakesLastISID takes the ISID from the request at hand.
	TakesLastISID bool
	// TakesLastCID takes the CID from the request at hand.
	TakesLastCID bool
	// KeepsFirstITT serves a request whose ITT has changed, and answers with the first one.
	KeepsFirstITT bool
	// LastTSIHDecides looks for the session that the TSIH of the request at hand names.
	LastTSIHDecides bool
}

// request is where faulty arrays see another Login Request than came. length is that of its text.
func (d *LoginFormDeviations) request(l *login, q *pdu.LoginRequest, first bool, length int) error {
	if first && q.CSG == pdu.StageFullFeature && d.StartsInFullFeature || q.CSG == stageReserved && d.MapsReservedStage {
		q.CSG = pdu.StageOperational
		l.stage = q.CSG
	}
	l.emptyRequests++
	if length > 0 {
		l.emptyRequests = 0
	}
	switch {
	case d.IgnoresVersionMin:
		q.VersionMin = 0
	case d.DemandsOwnVersion && q.VersionMax != 0:
		return refuse(iscsi.StatusUnsupportedVersion, "version %d, want 0", q.VersionMax)
	case d.ActiveFromRequest && !first:
		l.active, q.VersionMin = q.VersionMin, 0
	case d.TransitsWithContinue && q.Transit:
		q.Continue = false
	case d.TrustsStage:
		l.stage = q.CSG
	case d.RefusesEmptyRequests && l.emptyRequests == 2:
		return refuse(iscsi.StatusInitiatorError, "two empty requests in a row")
	case d.QueuesRepeatedCmdSN && !first && q.CmdSN == l.cmdSN:
		return &vanished{how: EndSilent, reason: "CmdSN is that of the request before"}
	case d.TakesLastISID:
		l.isid = iscsi.ISID(q.ISID)
	case d.TakesLastCID:
		l.cid = q.CID
	case d.KeepsFirstITT:
		q.ITT = l.itt
	case d.LastTSIHDecides && !first && q.TSIH != l.tsih:
		l.tsih = q.TSIH
		return l.findSession()
	}
	return nil
}

// stageReserved is the stage that does not exist.
const stageReserved pdu.Stage = 2

// grants reports whether a faulty array grants a transition that no login has.
func (d *LoginFormDeviations) grants(q *pdu.LoginRequest) bool {
	return q.Transit && (d.GrantsReservedStage && q.NSG == stageReserved || d.GrantsBackwards && q.NSG < q.CSG || d.GrantsSameStage && q.NSG == q.CSG)
}

// text is where faulty arrays see another text than came. It reports whether it has one.
func (d *LoginFormDeviations) text(l *login, q *pdu.LoginRequest, data []byte) (pairs text.Pairs, has bool, err error) {
	switch {
	case d.ParsesEachPDU, d.AnswersAtOnce && q.Continue:
		pairs, _ := text.Parse(data) // what cannot be read is passed over
		return pairs, true, nil
	case d.JudgesFragment && q.Continue && !l.named:
		return nil, true, refuse(iscsi.StatusMissingParameter, "no TargetName in the first request")
	}
	return nil, false, nil
}

// challenge takes up CHAP where it has no place.
func (d *LoginFormDeviations) challenge(l *login, security, answers text.Pairs) (remaining, more text.Pairs) {
	if !d.ChallengesLate || l.stage != pdu.StageOperational {
		return security, answers
	}
	if _, offered := answers.Get(text.KeyAuthMethod); offered {
		answers.Set(text.KeyAuthMethod, "CHAP")
	}
	if _, asked := security.Get("CHAP_A"); asked {
		answers = append(answers, text.Pairs{{Key: "CHAP_A", Value: "5"}, {Key: "CHAP_I", Value: "1"}, {Key: "CHAP_C", Value: "0x000102030405060708090a0b0c0d0e0f"}}...)
	}
	return nil, answers
}

// response is where faulty arrays change a response of a login that goes on or succeeds.
func (d *LoginFormDeviations) response(l *login, p *pdu.LoginResponse, full bool) {
	if full && d.ProposesInFinal {
		if _, settled := l.negotiation.Answer(text.KeyMaxBurstLength); !settled {
			p.Data = append(p.Data, "MaxBurstLength=131072\x00"...)
		}
	}
	if d.ContinuesWithTransit && p.Continue {
		p.Transit, p.NSG = true, pdu.StageFullFeature
	}
}

// foreign is where faulty arrays answer a PDU that is no Login Request. It reports whether the login goes on.
func (d *LoginFormDeviations) foreign(l *login, h *pdu.BHS) bool {
	op := h.Opcode()
	switch {
	case d.ServesBeforeLogin && !l.started && op == pdu.OpSCSICommand:
		out := outgoing{data: make([]byte, 36)}
		(&pdu.DataIn{Final: true, StatusPresent: true, ITT: h.ITT(), TTT: pdu.ReservedTag, Data: out.data}).EncodeBHS(&out.bhs)
		l.c.out.put(out)
	case d.PingsDuringLogin && l.started && op == pdu.OpNOPOut:
		l.say(&pdu.NOPIn{ITT: h.ITT(), TTT: pdu.ReservedTag, StatSN: l.c.statSN, ExpCmdSN: l.cmdSN, MaxCmdSN: l.cmdSN})
	case d.HoldsEarlyCommands && l.started && op == pdu.OpSCSICommand:
		l.early = &pdu.SCSIResponse{ITT: h.ITT()}
	default:
		return false
	}
	_, err := l.c.readData(h.DataSegmentLength())
	l.c.dataDone()
	return err == nil
}

// say sends a PDU that has no data and no place in a login.
func (l *login) say(p pdu.PDU) {
	var out outgoing
	p.EncodeBHS(&out.bhs)
	l.c.out.put(out)
}

// again answers a Login Request in full feature phase with Status 0.
func (s *session) again(c *connection, h *pdu.BHS) {
	var q pdu.LoginRequest
	if q.DecodeBHS(h) != nil {
		return
	}
	s.send(c, &pdu.LoginResponse{Transit: true, CSG: q.CSG, NSG: q.NSG, ISID: q.ISID, TSIH: s.tsih, ITT: q.ITT})
}
