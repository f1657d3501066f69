package initiator

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

// attemptsMax bounds LoginManners.Attempts.
const attemptsMax = 100

// LoginManners are what the standard leaves to an initiator about its logins, and what fielded initiators do in different ways. The zero
// value is this initiator's own way.
type LoginManners struct {
	// Order is the order of the keys InitiatorName, InitiatorAlias, TargetName, SessionType and AuthMethod in the first request. Those that it
	// leaves out follow in this order, which is that of the zero value too.
	Order []string
	// AuthMethods is what is offered where there are credentials for one direction; empty means CHAP alone. With None in it, a target may do
	// without a proof. Where the target has to prove itself too, CHAP alone is offered whatever this says.
	AuthMethods []string
	// SkipSecurityStage begins logins without credentials in the operational stage.
	SkipSecurityStage bool
	// CID is that of the leading connection.
	CID uint16
	// TaskTag is the login's Initiator Task Tag, and CmdSN its CmdSN, which the first command has again; nil leaves this initiator's own.
	TaskTag, CmdSN *uint32
	// RandomNumbers draws both anew for every login.
	RandomNumbers bool
	// NeedsPortalGroupTag gives a normal login up whose first response names no TargetPortalGroupTag, as it must (RFC 7143, Section 13.9).
	NeedsPortalGroupTag bool
	// DropsDiscovery ends discovery sessions by closing the connection, without a Logout Request.
	DropsDiscovery bool
	// RedirectLimit is how many redirects in a row are followed, 1 to 32; 0 means 32.
	RedirectLimit int
	// RefusesTag takes a portal group tag in a redirect for an address that cannot be read. It is dropped otherwise.
	RefusesTag bool
	// Attempts is how often Login tries, up to 100, while no target answers, or it answers with a status of class 3; 0 means once. RetryInterval is
	// the time from the start of one to the start of the next. The Manager's re-logins are single attempts on its own cadence.
	Attempts      int
	RetryInterval time.Duration
}

// ownManners are the manners of a LoginConfig that names none.
var ownManners LoginManners

// orOwn returns m, or this initiator's own manners for nil.
func (m *LoginManners) orOwn() *LoginManners {
	if m == nil {
		return &ownManners
	}
	return m
}

// check refuses values outside their ranges.
func (m *LoginManners) check() error {
	switch {
	case m.RedirectLimit < 0 || m.RedirectLimit > redirectLimit:
		return &SettingError{"Manners.RedirectLimit", fmt.Sprint(m.RedirectLimit), fmt.Sprintf("0 to %d", redirectLimit)}
	case m.Attempts < 0 || m.Attempts > attemptsMax:
		return &SettingError{"Manners.Attempts", fmt.Sprint(m.Attempts), fmt.Sprintf("0 to %d", attemptsMax)}
	case m.RetryInterval < 0:
		return &SettingError{"Manners.RetryInterval", m.RetryInterval.String(), "a duration not below 0s"}
	}
	return nil
}

// arrange puts the declarations at the start of a login into their order.
func (m *LoginManners) arrange(wants []text.Want) {
	if len(m.Order) == 0 {
		return
	}
	rank := func(w text.Want) int {
		if i := slices.Index(m.Order, w.Key); i >= 0 {
			return i
		}
		return len(m.Order)
	}
	slices.SortStableFunc(wants, func(a, b text.Want) int { return rank(a) - rank(b) })
}

// authMethods is the offer of AuthMethod. Credentials are a policy: where there are some, nothing else is offered, unless the manners say so.
func (cfg *LoginConfig) authMethods() string {
	m := cfg.Manners.orOwn()
	switch {
	case cfg.CHAP == nil:
		return "None"
	case len(m.AuthMethods) > 0 && cfg.CHAP.TargetSecret == "":
		return strings.Join(m.AuthMethods, ",")
	}
	return "CHAP"
}

// mayDoWithout reports whether a target may choose to be logged in to without a proof.
func (cfg *LoginConfig) mayDoWithout() bool {
	return cfg.CHAP != nil && slices.Contains(strings.Split(cfg.authMethods(), ","), "None")
}

// number sets the login's task tag and CmdSN.
func (cfg *LoginConfig) number() {
	m := cfg.Manners.orOwn()
	cfg.taskTag, cfg.cmdSN = loginTag, firstCmdSN
	if m.TaskTag != nil {
		cfg.taskTag = *m.TaskTag
	}
	if m.CmdSN != nil {
		cfg.cmdSN = *m.CmdSN
	}
}

// draw numbers a login at random, where the manners are so.
func (cfg *LoginConfig) draw() error {
	if !cfg.Manners.orOwn().RandomNumbers {
		return nil
	}
	var b [8]byte
	if _, err := io.ReadFull(cfg.Rand, b[:]); err != nil {
		return fmt.Errorf("login: drawing numbers: %w", err)
	}
	// The reserved tag is out of reach.
	cfg.taskTag, cfg.cmdSN = binary.BigEndian.Uint32(b[:4])&0x7fffffff, binary.BigEndian.Uint32(b[4:])
	return nil
}

// attempts is how often this login is tried.
func (cfg *LoginConfig) attempts() int {
	if cfg.relogin {
		return 1
	}
	return max(1, cfg.Manners.orOwn().Attempts)
}

// worthAnother reports whether a login that failed may succeed when it is made again: nobody answered in time, or the target said that the
// fault is its own.
func worthAnother(err error) bool {
	var failed *LoginError
	if !errors.As(err, &failed) || errors.Is(err, ErrAuthFailed) || failed.Stage == StageConfigure {
		return false
	}
	var protocol *ProtocolError
	if failed.Status != iscsi.StatusSuccess {
		return failed.Status.Class() == iscsi.ClassTargetError
	}
	return failed.Expected == "" && !errors.As(err, &protocol)
}

// untagged gives up a login whose first response lacks the portal group tag, where the manners ask for it.
func (x *loginExchange) untagged(pairs text.Pairs) error {
	if !x.cfg.Manners.orOwn().NeedsPortalGroupTag || x.cfg.Type != NormalSession || x.rounds > 1 {
		return nil
	}
	if _, told := pairs.Get(text.KeyTargetPortalGroupTag); told {
		return nil
	}
	return x.fault("TargetPortalGroupTag in the first response", "none", "RFC 7143, Section 13.9")
}
