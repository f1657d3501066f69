package simtarget

import (
	"github.com/iscsispec/iscsispec/internal/planted"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

// plantedFaults are what an array with planted defects does. They are for the proof of the login fuzzer alone.
type plantedFaults struct{ planted.Target }

// eightAnswers is how many offers of one request are answered by EightAnswers.
const eightAnswers = 8

// answers is where answers are spoiled.
func (f *plantedFaults) answers(offers, answers text.Pairs) text.Pairs {
	if wait, _ := offers.Get(text.KeyDefaultTime2Wait); f.OnePastRange && wait == "3601" {
		answers.Set(text.KeyDefaultTime2Wait, wait)
	}
	if f.EightAnswers && len(answers) > eightAnswers {
		answers = answers[:eightAnswers]
	}
	return answers
}

// sameISID reports whether two ISIDs differ in their qualifiers at most.
func (f *plantedFaults) sameISID(a, b iscsi.ISID) bool {
	return f.QualifierIgnored && [4]byte(a[:4]) == [4]byte(b[:4])
}

// knowsProof reports whether a login would reinstate a session that has proved itself.
func (a *Array) knowsProof(l *login) bool {
	if l.discovery || l.target == nil {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range a.table.sessions {
		if s.user != "" && s.initiator == l.initiator && s.target == l.target && s.isid == l.isid {
			return true
		}
	}
	return false
}
