package monitor

import (
	"slices"

	"github.com/iscsispec/iscsispec/scenarios"
)

// rules are all of them, file by file.
var rules = []*rule{
	// datain.go
	&noDataForWrites, &statusLast, &dataSNSteps, &offsetsRise, &sequencesRise, &withinExpected, &burstIn, &lastIsFinal,
	&segmentDeclared, &segmentDefault, &statusWithFinal, &zeroWithoutS, &tagWithoutA, &noAckAsked, &notEmpty, &wholeWords,
	&residualBoth, &missingData, &noResidual,
	// dataout.go
	&noR2TForReads, &r2tFields, &r2tForm, &r2tSteps, &r2tBurst, &r2tOrder, &r2tLimit, &r2tStarts, &r2tAll, &r2tNeeded, &outTag,
	&outSteps, &outOffset, &outWhole, &outFinal, &outLength, &outAnnounced, &outUnasked,
	// form.go
	&targetOpcodes, &noStrayData, &targetZeros, &targetPad, &headerCRC, &dataCRC, &initiatorOpcodes, &initiatorZeros, &noStrayAHS,
	&initiatorPad, &initiatorCRC,
	// login.go
	&loginForm, &loginStage, &loginOnce, &loginTurns, &loginSteps, &transitOnce, &sameLogin, &loginAck, &loginLength, &noGoOn,
	&onlyLogin, &loginEcho, &transitAsked, &nextStage, &continueExcludes, &definedStatus, &responseLimit, &oneResponse,
	&noHandleYet, &handleGiven, &loginCmdSN, &versionZero, &loginWindow,
	// negotiation.go
	&answersOnce, &strangeAnswered, &emptyForPart, &understood, &minimum, &maximum, &orFunction, &andFunction, &fromTheList,
	&methodOffered, &legalProposals, &noReservedWords, &securityKeys, &openQuestion, &withdrawnNames, &discoveryVendor,
	&offersOnce, &offersReserved, &initiatorSecurity, &initiatorNames, &noSendTargets, &answersAll, &answersStrange,
	&initiatorBooleans, &initiatorList,
	// numbers.go
	&statSteps, &statShown, &windowUpright, &expCmdSNForward, &expCmdSNSent, &cmdSNSteps, &cmdSNFirst, &cmdSNImmediate,
	&windowKept, &ackSent, &ackForward, &ackUnnumbered, &ackLogin, &silentAfterLogout,
	// requests.go
	&managementForm, &managementTag, &managed, &manages, &managementLUN, &managementCmdSN, &pingForm, &pingAnswer, &pingLength,
	&nopForm, &nopInforms, &echoNow, &echoLater, &echoCutNow, &echoCutLater, &asyncForm, &rejectForm, &rejectReason,
	&rejectCopies, &noSnack, &pingAnswered,
	// scsi.go
	&commandForm, &commandBits, &wholeIsFinal, &attributes, &immediateLimit, &immediateAgreed, &unsolicitedAgreed, &firstBurst,
	&oneStatus, &responseForm, &qualifier, &countsDataIn,
	// session.go
	&tagUnique,
	// texts.go
	&textTurns, &textParts, &textLength, &textLoginKeys, &textTags, &textAnswers, &textForPart, &textOpen, &logoutForm,
	&logoutLast, &logoutAnswered,
	// wellformed.go
	&targetText, &initiatorText, &redirectAddress,
}

// Rows returns the rows of one side that monitors hold any traffic against, in alphabetical order.
func Rows(role scenarios.Role) []string {
	s := target
	if role == scenarios.RoleInitiator {
		s = initiator
	}
	var rows []string
	for _, r := range rules {
		if r.side == s {
			rows = append(rows, r.row)
		}
	}
	slices.Sort(rows)
	return slices.Compact(rows)
}
