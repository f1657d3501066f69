package target

import (
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/chap"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/simtarget"
)

// multiConnectionChecks are those of the group multi-connection, and of other groups those that need two connections in a session.
func multiConnectionChecks() []Check {
	checks := []Check{
		{ID: "multi-connection.add.second-connection", Run: secondConnection},
		{ID: "multi-connection.add.beyond-maximum-refused", Run: connectionBeyondMaximum},
		{ID: "multi-connection.add.cannot-include-status", Run: foreignConnection},
		{ID: "multi-connection.add.other-portal-group-refused", Run: connectionOfOtherGroup},
		{ID: "multi-connection.add.same-portal-group-accepted", Run: connectionOfSameGroup},
		{ID: "multi-connection.allegiance.responses-on-same-connection", Risk: scenarios.Writes, Run: allegianceOfCommands},
		{ID: "multi-connection.statsn.per-connection", Run: statSNPerConnection},
		{ID: "multi-connection.cmdsn.session-wide", Run: oneOrder},
		{ID: "multi-connection.cmdsn.window-shared", Run: oneWindow},
		{ID: "multi-connection.login.leading-only-keys-second", Run: leadingOnlyKeys},
		{ID: "multi-connection.login.per-connection-digests", Run: digestsPerConnection},
		{ID: "multi-connection.login.per-connection-mrdsl", Run: segmentsPerConnection},
		{ID: "multi-connection.loss.other-connection-continues", Run: lossOfOther},
		{ID: "multi-connection.text.session-wide-effect", Run: segmentsByText},
		{ID: "keys.leading-only.second-connection-does-not-renegotiate", Run: burstStays},
		{ID: "auth.chap.per-connection", Array: WithCHAP, Run: authenticatedEach},
		{ID: "auth.chap.identity-same-across-connections", Array: withTwoAccounts, Run: sameIdentity},
		{ID: "tmf.abort-task-set.out-of-order-second-connection", Run: lateCommandsEnd},
		{ID: "logout.close-connection.other-connections-survive", Risk: scenarios.Writes, Run: othersSurviveLogout},
		{ID: "logout.close-connection.named-from-other-connection", Run: logoutOfOther},
		{ID: "logout.close-session.all-connections", Risk: scenarios.Writes, Run: logoutOfAll},
		{ID: "logout.close-connection.unit-attention-for-terminated-tasks", Risk: scenarios.Writes, Run: logoutTellsSCSI},
	}
	for i := range checks {
		own := checks[i].Array
		checks[i].Array = func(p *simtarget.Profile) {
			p.Session.MaxConnections = 4
			if own != nil {
				own(p)
			}
		}
	}
	return checks
}

// roomy opens a session that may have several connections, up to the four that it asks for, and skips the part where the target agrees to one.
func (t *T) roomy(keys ...string) *probe.Conn {
	c := t.Open(probe.Login{Keys: Keys(append([]string{"MaxConnections=4"}, keys...)...)})
	t.Handle(c)
	if n := c.Session.Params.MaxConnections; n < 2 {
		t.Skip("The target agrees to MaxConnections=%d.", n)
	}
	return c
}

// beside adds a connection to the session, and skips the part where the target does not grant it: that is the matter of
// multi-connection.add.second-connection.
func (t *T) beside(c *probe.Conn, keys ...string) *probe.Conn {
	r := t.Login(probe.Login{Session: c.Session, Keys: Keys(keys...)})
	if declined(r) {
		t.Skip("The target grants no second connection: %v.", r)
	}
	return t.Granted(r)
}

// solicitedKeys make R2Ts ask for every byte of a write.
var solicitedKeys = []string{"InitialR2T=Yes", "ImmediateData=No"}

func secondConnection(t *T) {
	c := t.roomy()
	r := t.Login(probe.Login{Session: c.Session})
	if r.RefusedWith(iscsi.StatusOutOfResources) {
		t.Warn("The target agrees to further connections and has no room for one.", r, "a granted login")
		t.Survives(c, "the first connection")
		return
	}
	second := t.Granted(r)
	if final, is := probe.As[*pdu.LoginResponse](r.Last); is && final.TSIH != c.Session.TSIH {
		t.Fail(fmt.Sprintf("TSIH 0x%04x", final.TSIH), fmt.Sprintf("TSIH 0x%04x, the session's", c.Session.TSIH))
	}
	t.Survives(c, "the first connection")
	t.Survives(second, "the second connection")
}

func connectionBeyondMaximum(t *T) {
	c := t.roomy()
	conns := []*probe.Conn{c}
	// A target that agrees to more than was asked for is the matter of other checks.
	for len(conns) < min(c.Session.Params.MaxConnections, 4) {
		conns = append(conns, t.beside(c))
	}
	t.Refused(t.Login(probe.Login{Session: c.Session}), Refusal{With: []iscsi.Status{iscsi.StatusTooManyConnections},
		Warns: []iscsi.Status{iscsi.StatusCannotInclude, iscsi.StatusOutOfResources}})
	for i, c := range conns {
		t.Survives(c, fmt.Sprintf("connection %d", i+1))
	}
}

func foreignConnection(t *T) {
	c := t.roomy()
	apt := Refusal{With: []iscsi.Status{iscsi.StatusCannotInclude, iscsi.StatusSessionDoesNotExist}}
	other := ""
	for _, name := range t.Facts.Targets {
		if name != c.Session.TargetName && other == "" {
			other = name
		}
	}
	login := probe.Login{ISID: &c.Session.ISID, TSIH: &c.Session.TSIH, CmdSN: &c.Session.CmdSN, CID: new(uint16)}
	*login.CID = 2
	if other != "" {
		elsewhere := login
		elsewhere.TargetName = other
		t.Refused(t.Login(elsewhere), apt)
		t.Survives(c, "the session after a login to another target")
	}
	login.InitiatorName = t.Options().InitiatorName + ".stranger"
	t.Refused(t.Login(login), apt)
	t.Survives(c, "the session after a login of another initiator")
}

// portalOf finds a portal other than that of the session, in its portal group or in another one, and skips where none is known.
func (t *T) portalOf(c *probe.Conn, same bool) iscsi.Address {
	own := -1
	for _, p := range t.Facts.Portals {
		if p.HostPort() == c.Portal().HostPort() && p.HasTag {
			own = int(p.Tag)
		}
	}
	for _, p := range t.Facts.Portals {
		if own >= 0 && p.HasTag && p.HostPort() != c.Portal().HostPort() && (int(p.Tag) == own) == same {
			return p.Address
		}
	}
	t.Skip("No second portal is known with %s portal group tag.", map[bool]string{true: "the same", false: "another"}[same])
	return iscsi.Address{}
}

func connectionOfOtherGroup(t *T) {
	c := t.roomy()
	r := t.Login(probe.Login{Session: c.Session, Portal: t.portalOf(c, false)})
	t.Refused(r, Refusal{With: []iscsi.Status{iscsi.StatusCannotInclude, iscsi.StatusSessionDoesNotExist}})
	t.Survives(c, "the session")
}

func connectionOfSameGroup(t *T) {
	c := t.roomy()
	r := t.Login(probe.Login{Session: c.Session, Portal: t.portalOf(c, true)})
	if r.Refused() {
		t.Warn("The target takes no connection through another portal of the group.", r, "a granted login")
		t.Survives(c, "the session")
		return
	}
	t.Survives(t.Granted(r), "the connection through another portal")
	t.Survives(c, "the first connection")
}

func allegianceOfCommands(t *T) {
	first := t.roomy(solicitedKeys...)
	conns := []*probe.Conn{first, t.beside(first)}
	// Tasks of both connections are open at the same time; each connection is watched for what belongs to the other.
	var tasks []*probe.Task
	for i, c := range conns {
		commands := []probe.Command{t.askedFor(c, uint32(64*i), pattern(uint32(60+i), 4096)), inquiry(), probe.TestUnitReady(),
			t.Read(c, uint32(64*i), t.room(c, uint32(64*i), 64<<10))}
		for _, command := range commands {
			if c.Session.Window() > 0 {
				tasks = append(tasks, c.Start(command))
			}
		}
	}
	of := map[uint32]*probe.Conn{}
	for _, task := range tasks {
		of[task.PDU.ITT] = task.Conn
	}
	for _, task := range tasks {
		r := task.Await()
		if !r.Answered && r.Event.Kind == probe.TimedOut {
			t.strays(conns, of)
		}
		if !r.UnitAttention() {
			t.Good(r, "a command of one of two connections")
		}
	}
	t.strays(conns, of)
}

// strays ends the part when a connection has brought a PDU of a task that another one has.
func (t *T) strays(conns []*probe.Conn, of map[uint32]*probe.Conn) {
	for _, c := range conns {
		for _, s := range t.Received(c) {
			switch s.PDU.(type) {
			case *pdu.DataIn, *pdu.R2T, *pdu.SCSIResponse:
				if owner := of[s.Event.PDU.Header.ITT()]; owner != nil && owner != c {
					t.Fail(fmt.Sprintf("%v on connection %v, for a command of connection %v", s.Event.PDU, c, owner),
						"each PDU on the connection of its command")
				}
			}
		}
	}
}

func statSNPerConnection(t *T) {
	first := t.roomy()
	conns := []*probe.Conn{first, t.beside(first)}
	for range 4 {
		for _, c := range conns {
			t.Done(c, probe.TestUnitReady(), "a TEST UNIT READY")
		}
	}
	t.StatSNInOrder()
}

func oneOrder(t *T) {
	first := t.roomy()
	second := t.beside(first)
	for _, c := range []*probe.Conn{first, second, first} {
		t.Done(c, probe.TestUnitReady(), "a TEST UNIT READY in its turn")
	}
	if first.Session.Window() < 2 {
		t.Skip("The command window takes %d commands.", first.Session.Window())
	}
	s := first.Session
	missing := s.CmdSN
	s.CmdSN++
	late := first.Start(probe.TestUnitReady())
	e, silent := first.AwaitSilence()
	if !silent {
		if e.Ended() {
			t.Warn("The target drops a connection whose command waits for another connection's.", e, "the command waits")
			return
		}
		t.Fail(fmt.Sprintf("%v before the command with the missing CmdSN was sent", e), "no answer before the missing command has come")
	}
	command := probe.TestUnitReady()
	command.Patch = func(p *pdu.SCSICommand) { p.CmdSN = missing }
	task := second.Start(command)
	s.CmdSN = missing + 2
	t.Good(task.Await(), "the command with the missing CmdSN")
	t.Good(late.Await(), "the command that waited for it")
}

func oneWindow(t *T) {
	first := t.roomy()
	second := t.beside(first)
	for range 10 {
		t.Done(first, probe.TestUnitReady(), "a TEST UNIT READY")
	}
	reached := first.Session.ExpCmdSN
	// How a ping is to be answered is the matter of other checks.
	request := second.NOPOut(nil)
	_ = second.Send(request)
	e := second.AnswerTo(request.ITT)
	answer, is := probe.As[*pdu.NOPIn](e)
	if !is {
		t.Fail(e, "a NOP-In")
	}
	if iscsi.SNLess(answer.ExpCmdSN, reached) {
		t.Fail(fmt.Sprintf("ExpCmdSN %d on the other connection", answer.ExpCmdSN), fmt.Sprintf("ExpCmdSN %d or newer", reached))
	}
}

func authenticatedEach(t *T) {
	if !t.Facts.AuthRequired {
		t.Skip("The target does not insist on authentication.")
	}
	c := t.roomy()
	r := t.Login(probe.Login{Session: c.Session, Auth: probe.AuthNone})
	t.Refused(r, Refusal{With: []iscsi.Status{iscsi.StatusAuthenticationFailure, iscsi.StatusAuthorizationFailure}})
	t.Survives(c, "the first connection")
}

// secondAccount is another account that the initiator may use.
var secondAccount = chap.Credentials{Name: "second", Secret: "iscsispec-second"}

// withTwoAccounts is WithCHAP with a second account.
func withTwoAccounts(p *simtarget.Profile) {
	WithCHAP(p)
	p.Login.CHAP.Users = append(p.Login.CHAP.Users, simtarget.CHAPUser{Name: secondAccount.Name, Secret: secondAccount.Secret.Reveal()})
}

func sameIdentity(t *T) {
	if !t.Embedded() {
		t.Skip("The stimulus needs a second CHAP user, for which no hook is configured.")
	}
	c := t.roomy()
	session := c.Session
	t.PartWith("another account", func(o *probe.Options) { o.CHAP = secondAccount }, func() {
		t.Refused(t.Login(probe.Login{Session: session}), Refusal{With: []iscsi.Status{iscsi.StatusAuthenticationFailure}})
	})
	t.Survives(c, "the first connection")
	t.Survives(t.beside(c), "a connection with the same account")
}
