package lifecycle

import (
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/simtarget"
)

// Kind is a way in which a session is disturbed.
type Kind struct {
	// Name is permanent: "reset".
	Name string
	// About says it in a few words.
	About string
	// faults are put into force at the proxy when the session is in use.
	faults string
	// next answers the login that follows the first.
	next *simtarget.RedirectAnswer
	// dead takes the place of the redirection's destination by one where nobody listens.
	dead bool
	// action is what the array does when the session is in use.
	action *simtarget.Action
}

// logoutWithin is how long the array waits for the logout that it asks for, in seconds.
const logoutWithin = 3

// Kinds are all ways, in the order in which they are tried.
func Kinds() []Kind {
	reset := "reset:at=0s"
	return []Kind{
		{Name: "reset", About: "the connection is reset", faults: reset},
		{Name: "fin", About: "the target's end closes the connection in order", faults: "fin:at=0s"},
		{Name: "silence", About: "nothing passes for 12 s", faults: "silence:at=0s,for=12s"},
		{Name: "refuse", About: "the connection is reset, and others are refused for 8 s", faults: "refuse:at=0s,for=8s\n" + reset},
		{Name: "async-logout", About: fmt.Sprintf("the target asks for a logout within %d s", logoutWithin),
			action: &simtarget.Action{Async: &simtarget.Async{Event: pdu.AsyncLogoutRequest, Parameter3: new(uint16(logoutWithin))}}},
		{Name: "redirect", About: "reset; the next login is redirected for a while to another portal", faults: reset,
			next: &simtarget.RedirectAnswer{To: []string{otherPortal}}},
		{Name: "redirect-dead", About: "reset; the next login is redirected to an address where nobody listens", faults: reset,
			next: &simtarget.RedirectAnswer{}, dead: true},
	}
}
