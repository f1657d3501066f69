package initiator

import (
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// checkHeader holds the fields of a successful Login Response against what was asked (RFC 7143, Section 11.13). The ISID is not looked at:
// a fielded target sends zeros, and the connection says already whose login it is.
func (x *loginExchange) checkHeader(p *pdu.LoginResponse) error {
	switch {
	case p.ITT != x.cfg.taskTag && !x.dev.Login.AnyTaskTag:
		return x.fault(fmt.Sprintf("Initiator Task Tag %#x", x.cfg.taskTag), fmt.Sprintf("%#x", p.ITT), "RFC 7143, Section 11.2.1.8")
	case p.VersionActive != x.asked.VersionMax && !x.dev.Login.IgnoreVersion:
		return x.fault("active version 0", fmt.Sprint(p.VersionActive), "RFC 7143, Section 11.13.2")
	case x.rounds > 1 && p.StatSN != x.expStatSN && x.dev.Login.FreezeStatSN:
		return x.checkStages(p)
	case x.rounds > 1 && p.StatSN != x.expStatSN:
		return x.fault(fmt.Sprintf("StatSN %d", x.expStatSN), fmt.Sprint(p.StatSN), "RFC 7143, Section 11.13.4")
	}
	if !x.numberIgnored(p.StatSN) {
		x.expStatSN = p.StatSN + 1
	}
	if x.dev.Login.IgnoreStage {
		return nil
	}
	return x.checkStages(p)
}

// checkStages holds T, C, CSG and NSG against what was asked (RFC 7143, Sections 6.3 and 11.13.6).
func (x *loginExchange) checkStages(p *pdu.LoginResponse) error {
	const clause = "RFC 7143, Section 6.3"
	switch {
	case p.CSG != x.stage:
		return x.fault("CSG "+x.stage.String(), p.CSG.String(), "RFC 7143, Section 11.13.6")
	case !p.Transit:
		return nil
	case p.Continue:
		return x.fault("T and C not both 1", "both 1", "RFC 7143, Section 11.13.1")
	case !x.asked.Transit && x.skipsSecurity():
		return x.unproved("T=1 before that")
	case !x.asked.Transit && !x.dev.Login.TrustTransit && !x.dev.Auth.TrustStage:
		return x.fault("T=0, as in the request", "T=1", clause)
	case p.NSG != x.following() && !x.shorter(p.NSG) && !x.shortcut(p.NSG):
		return x.fault("NSG "+x.following().String(), p.NSG.String(), "RFC 7143, Section 11.13.6")
	}
	return nil
}

// skipsSecurity reports whether a T bit that was not asked for would leave out the authentication that the configuration requires.
func (x *loginExchange) skipsSecurity() bool {
	return x.stage == pdu.StageSecurity && x.cfg.CHAP != nil && !x.authenticated && !x.dev.Login.TrustTransit && !x.dev.Auth.TrustStage
}

// shorter reports whether the target selected a stage before the one that was asked for, as it may (RFC 7143, Section 6.3).
func (x *loginExchange) shorter(nsg pdu.Stage) bool {
	return x.stage == pdu.StageSecurity && nsg == pdu.StageOperational && x.following() == pdu.StageFullFeature
}
