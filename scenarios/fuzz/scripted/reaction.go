package scripted

import (
	"errors"
	"io"
	"net"
	"strings"

	ini "github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/chap"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/fuzz"
)

// What an initiator can do that a finding is about.
const (
	WentOn  fuzz.Kind = "went on"  // with another Login Request
	Entered fuzz.Kind = "entered"  // full feature phase
	Gave    fuzz.Kind = "gave up"  // the connection or the login
	Blamed  fuzz.Kind = "reported" // an error of another kind
	Sent    fuzz.Kind = "sent"     // a PDU that it should not have sent in this form
	Held    fuzz.Kind = "holds"    // parameters that were not agreed
	Called  fuzz.Kind = "dialled"  // at a wrong time, or a wrong address
	Hung    fuzz.Kind = "did nothing"
	Broke   fuzz.Kind = "broke" // panicked, or left something behind
)

// reaction is a set of things that an initiator may do next.
type reaction uint16

const (
	goesOn    reaction = 1 << iota // sends another Login Request
	enters                         // full feature phase
	refuses                        // closes: the target has broken the protocol
	mistrusts                      // closes: the authentication has failed
	takesNo                        // closes: the target's status is the reason
	follows                        // closes, and dials where the redirect leads
	astray                         // closes: the redirect leads nowhere
	givesUp                        // closes when the time for the login is over
	loses                          // the connection has ended under it
	unmet                          // nobody answered the dial
)

// fails are the reactions that end a login.
const fails = refuses | mistrusts | takesNo | astray | givesUp | loses | unmet

var reactionNames = []string{"a further Login Request", "full feature phase", "the end of the login for a broken protocol",
	"the end of the login for want of authentication", "the end of the login for the target's status", "a login where the redirect leads",
	"the end of the login for a redirect that leads nowhere", "the end of the login by its timeout", "the end of the login for a lost connection",
	"the end of the login since nobody answered"}

// names lists the reactions of a set in words.
func (r reaction) names() []string {
	var names []string
	for i, name := range reactionNames {
		if r&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

// String is the set in words.
func (r reaction) String() string { return strings.Join(r.names(), ", or ") }

// blame tells what an error of a login says, as a reaction.
func blame(err error) (is reaction, status iscsi.Status) {
	var login *ini.LoginError
	var address *iscsi.AddressError
	var key *text.KeyError
	var form *text.FormatError
	var limit *text.LimitError
	var protocol *ini.ProtocolError
	var length *pdu.LengthError
	var header *pdu.FormatError
	var proof *chap.Error
	switch {
	case err == nil:
		return 0, 0
	case errors.As(err, &address), errors.Is(err, ini.ErrNoAddress), errors.Is(err, ini.ErrRedirectLimit):
		return astray, 0
	case errors.As(err, &login) && login.Status != iscsi.StatusSuccess:
		return takesNo, login.Status
	case errors.Is(err, ini.ErrAuthFailed), errors.As(err, &proof):
		return mistrusts, 0
	case errors.Is(err, ini.ErrTimeout) && errors.As(err, &login):
		return givesUp, 0
	case errors.As(err, &login) && login.Stage == ini.StageDial:
		return unmet, 0
	case errors.As(err, &login) && login.Expected != "", errors.As(err, &key), errors.As(err, &form), errors.As(err, &limit),
		errors.As(err, &protocol), errors.As(err, &length), errors.As(err, &header):
		return refuses, 0
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, new(*net.OpError)), isErrno(err):
		return loses, 0
	}
	return 0, 0
}

// clauseOf is the clause of a row of the catalogue.
func clauseOf(id string) string {
	if row := scenarios.LoadCatalogue().Row(id); row != nil {
		return row.Clause
	}
	return ""
}
