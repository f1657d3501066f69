package fuzz

import (
	"fmt"
	"strings"
)

// Kind is what came of a step.
type Kind string

// The kinds.
const (
	Answered Kind = "answered" // a Login Response of status class 0, or the answer that another request asks for
	Refused  Kind = "refused"  // a Login Response of another status class
	Rejected Kind = "rejected" // a Reject
	Dropped  Kind = "dropped"  // the peer ended the connection without an answer
	Silent   Kind = "silent"   // nothing within the time
	Foreign  Kind = "foreign"  // another PDU than any that may come here
	Garbage  Kind = "garbage"  // bytes that are no PDU
)

// Outcome is what came of a step, as the model names it.
type Outcome struct {
	Kind Kind
	// Status is that of a refusal.
	Status uint16
	// Detail says the rest in words: the PDU's header and text.
	Detail string
}

// String is the outcome in words.
func (o Outcome) String() string {
	s := string(o.Kind)
	if o.Kind == Refused {
		s = fmt.Sprintf("%s with 0x%04x", s, o.Status)
	}
	if o.Detail != "" {
		s += ": " + o.Detail
	}
	return s
}

// Finding is an outcome that the model does not hold lawful.
type Finding struct {
	// Rule is the id of the catalogue's row that it breaks; Clause is that row's.
	Rule, Clause string
	// Step counts the flow's steps from 1; 0 is after the last one.
	Step int
	// Got is what came; Want lists what is lawful.
	Got  Outcome
	Want []string
}

// Error is the finding in one line.
func (f *Finding) Error() string {
	return fmt.Sprintf("%s (%s): step %d: got %s; want %s", f.Rule, f.Clause, f.Step, f.Got, strings.Join(f.Want, ", or "))
}

// Same tells whether two findings are of one fault, as far as can be told: the rule and the kind of outcome are the same.
func (f *Finding) Same(other *Finding) bool {
	return other != nil && f.Rule == other.Rule && f.Got.Kind == other.Got.Kind
}

// ReplayLine is the command that runs a flow again, against the same peer. peer is the rest of the command line, already quoted: a URL, or
// nothing for our own pair.
func ReplayLine(f Flow, peer string) string {
	words := []string{"iscsispec", "fuzz", "login"}
	if peer != "" {
		words = append(words, peer)
	}
	return strings.Join(append(words, "--replay", "'"+f.String()+"'"), " ")
}
