package initiator

import (
	"fmt"
	"strings"

	"github.com/iscsispec/iscsispec/iscsi"
)

// LoginStage says how far a login came.
type LoginStage string

// The stages in their order.
const (
	StageConfigure   LoginStage = "configuration"
	StageDial        LoginStage = "dial"
	StageSecurity    LoginStage = "security stage"
	StageOperational LoginStage = "operational stage"
)

// LoginError says why a login failed at one portal.
type LoginError struct {
	// Portal is where it failed.
	Portal iscsi.Address
	// Stage is how far it came there.
	Stage LoginStage
	// Status is what the target answered; StatusSuccess when it was not the target that refused.
	Status iscsi.Status
	// Expected and Got tell what the target did wrong; both empty when it did nothing wrong.
	Expected, Got string
	// Clause is the rule, such as "RFC 7143, Section 11.13.1".
	Clause string
	// Err is the cause, when there is one: an I/O error, ErrTimeout, ErrAuthFailed, *text.KeyError, *chap.Error, *pdu.LengthError ...
	Err error
}

// Error puts all that is known in one line.
func (e *LoginError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "login at %s, %s", e.Portal.HostPort(), e.Stage)
	if e.Status != iscsi.StatusSuccess {
		fmt.Fprintf(&b, ": refused with status %v", e.Status)
	}
	if e.Expected != "" {
		fmt.Fprintf(&b, ": expected %s, got %s (%s)", e.Expected, e.Got, e.Clause)
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *LoginError) Unwrap() error { return e.Err }

// Is makes a refusal with status 0x0201 match ErrAuthFailed.
func (e *LoginError) Is(target error) bool {
	return target == ErrAuthFailed && e.Status == iscsi.StatusAuthenticationFailure
}

// RedirectError says that a login failed after, or because of, a redirect.
type RedirectError struct {
	// Redirects lists the redirects in order, the last one to the portal that failed; empty when already the first redirect could
	// not be followed.
	Redirects []Redirect
	// Status and From are those of the last redirect.
	Status iscsi.Status
	From   iscsi.Address
	// Err is the cause: *iscsi.AddressError, ErrRedirectLimit, ErrNoAddress, or the failure at the portal that the redirect led to.
	Err error
}

// Error names the last redirect and the cause.
func (e *RedirectError) Error() string {
	return fmt.Sprintf("redirect %d by %s with status %v: %v", len(e.Redirects), e.From.HostPort(), e.Status, e.Err)
}

// Unwrap returns the cause.
func (e *RedirectError) Unwrap() error { return e.Err }
