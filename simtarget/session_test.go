package simtarget

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
)

func (p *peer) logout(reason pdu.LogoutReason, cid uint16, want pdu.LogoutResponseCode) {
	p.Helper()
	p.send(&pdu.LogoutRequest{Immediate: true, Reason: reason, ITT: 0x4321, CID: cid, CmdSN: p.cmdSN, ExpStatSN: p.expStat})
	r := get[*pdu.LogoutResponse](p)
	p.counts(r.StatSN)
	if r.ITT != 0x4321 || r.Response != want {
		p.Errorf("logout answered %s, want %s", r.Response, want)
	}
}

func TestLogout(t *testing.T) {
	inBubble(t, "plain", nil, nil, func(b *bench) {
		p := b.dial("A").login()
		p.logout(pdu.LogoutCloseConnection, 0x7777, pdu.LogoutCIDNotFound)
		p.logout(pdu.LogoutRemoveForRecovery, 1, pdu.LogoutRecoveryNotSupported)
		p.works()
		p.logout(pdu.LogoutCloseConnection, 1, pdu.LogoutSuccess)
		if !p.closed() || len(b.settled().Sessions()) != 0 {
			t.Error("the session goes on")
		}
		p = b.dial("A").login()
		p.logout(pdu.LogoutCloseSession, 0x5555, pdu.LogoutSuccess)
		if !p.closed() {
			t.Error("the connection stays open")
		}
	})
}

// What is in progress at logout ends without a word, and a held write does not reach the medium.
func TestLogoutEndsTasks(t *testing.T) {
	inBubble(t, "plain", nil, nil, func(b *bench) {
		before := b.stored(0, 8)
		p := b.dial("A").login(pair("ImmediateData", "No"))
		p.send(p.writes(0, 8))
		get[*pdu.R2T](p)
		p.logout(pdu.LogoutCloseSession, 0, pdu.LogoutSuccess)
		if !p.closed() {
			t.Error("something follows the Logout Response")
		}
		if !bytes.Equal(b.stored(0, 8), before) {
			t.Error("the medium has changed")
		}
	})
}

func TestLogoutInOrder(t *testing.T) {
	inBubble(t, "plain", nil, nil, func(b *bench) {
		p := b.dial("A").login()
		first := p.command(scsi.TestUnitReady())
		p.send(&pdu.LogoutRequest{ITT: 5, CmdSN: p.cmdSN})
		p.send(first)
		p.status()
		if r := get[*pdu.LogoutResponse](p); r.ExpCmdSN != first.CmdSN+2 {
			t.Errorf("%+v", r)
		}
	})
}

// The same initiator port at the same portal group replaces its session; another port, another group and another name do not.
func TestSessionReinstatement(t *testing.T) {
	for _, c := range []struct {
		name     string
		change   func(p *peer)
		portal   string
		replaces bool
	}{
		{"same", func(*peer) {}, "A", true},
		{"other portal of the group", func(*peer) {}, "B", true},
		{"other group", func(*peer) {}, "C", false},
		{"other ISID", func(p *peer) { p.isid[5]++ }, "A", false},
		{"other name", func(p *peer) { p.name += ".other" }, "A", false},
		{"other target", func(p *peer) { p.target += ".second" }, "A", false},
		{"Discovery session", func(p *peer) { p.target = "" }, "A", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, "multi-portal", nil, nil, func(b *bench) {
				old := b.dial("A").login(pair("ImmediateData", "No"))
				old.send(old.writes(0, 8))
				get[*pdu.R2T](old)
				p := b.dial(c.portal)
				p.cmdSN = 7
				c.change(p)
				if p.target == "" {
					p.discover()
				} else {
					p.login()
					p.works()
				}
				if p.tsih == old.tsih {
					t.Error("the same TSIH twice")
				}
				if c.replaces {
					if !old.closed() || len(b.settled().Sessions()) != 1 {
						t.Errorf("the old session lives on: %+v", b.settled().Sessions())
					}
					return
				}
				old.works()
				if len(b.settled().Sessions()) != 2 {
					t.Errorf("%+v", b.settled().Sessions())
				}
			})
		})
	}
}

// A reinstating login that does not succeed leaves the old session alone.
func TestFailedReinstatementIsHarmless(t *testing.T) {
	inBubble(t, "plain", nil, nil, func(b *bench) {
		old := b.dial("A").login()
		if r := b.dial("A").tryLogin(pair("ImmediateData", "Yes"), pair("ImmediateData", "No")); r.Status() == 0 {
			t.Error("accepted")
		}
		old.works()
		p := b.dial("A")
		p.ask(pdu.StageOperational, 0, false, p.names())
		p.conn.Close()
		time.Sleep(time.Second)
		old.works()
	})
}

// The same TSIH and CID replace the connection within the session: tasks end, the command numbers go on.
func TestConnectionReinstatement(t *testing.T) {
	inBubble(t, "plain", nil, nil, func(b *bench) {
		old := b.dial("A").login(pair("ImmediateData", "No"))
		w := old.writes(0, 8)
		old.send(w)
		get[*pdu.R2T](old)
		p := b.dial("A")
		p.tsih, p.cmdSN = old.tsih, old.cmdSN
		p.login()
		if p.tsih != old.tsih || !old.closed() {
			t.Errorf("TSIH 0x%04x, want 0x%04x", p.tsih, old.tsih)
		}
		if !p.silent(5 * time.Second) {
			t.Error("the old task goes on")
		}
		p.managed(p.manage(pdu.FunctionAbortTask, 0, w.ITT, w.CmdSN), pdu.TaskResponseNoTask)
		p.attention(scsi.SomeCommandsCleared)
		p.works()
		if s := b.settled().Sessions(); len(s) != 1 || s[0].Serial != 1 {
			t.Errorf("%+v", s)
		}
		other := b.dial("A")
		other.tsih, other.cid = p.tsih, 2
		if r := other.tryLogin(); iscsi.Status(r.Status()) != iscsi.StatusTooManyConnections {
			t.Errorf("a second connection: 0x%04x", r.Status())
		}
		p.works()
	})
}

// attention wants a unit attention for the next command.
func (p *peer) attention(want scsi.ASC) {
	p.Helper()
	p.send(p.command(scsi.TestUnitReady()))
	r := p.status()
	if len(r.Data) < 2 {
		p.Fatalf("status 0x%02x without sense data, want the unit attention %s", r.Status, want)
	}
	sense, err := scsi.ParseSense(r.Data[2:])
	if scsi.Status(r.Status) != scsi.StatusCheckCondition || err != nil || sense.Key != scsi.UnitAttention || sense.Code != want {
		p.Errorf("status 0x%02x, %v, want the unit attention %s", r.Status, sense, want)
	}
}

// A lost session waits for its initiator as long as DefaultTime2Retain says.
func TestTime2Retain(t *testing.T) {
	retain := func(p *Profile) { p.Data.Time2Retain = 20 }
	inBubble(t, "plain", retain, nil, func(b *bench) {
		comeBack := func(old *peer) *pdu.LoginResponse {
			p := b.dial("A")
			p.tsih, p.cmdSN = old.tsih, old.cmdSN
			return p.tryLogin()
		}
		old := b.dial("A").login(pair("DefaultTime2Wait", "0"))
		old.conn.Close()
		time.Sleep(10 * time.Second)
		if r := comeBack(old); r.Status() != 0 || r.TSIH != old.tsih {
			t.Fatalf("back within the time: %+v", r)
		}
		for _, s := range b.settled().Sessions() {
			if err := b.array.Apply(Action{Drop: &Drop{Which: Which{Serial: s.Serial}, How: EndRST}}); err != nil {
				t.Error(err)
			}
		}
		old = b.dial("A").login(pair("DefaultTime2Wait", "0"))
		old.conn.Close()
		time.Sleep(25 * time.Second)
		if r := comeBack(old); iscsi.Status(r.Status()) != iscsi.StatusSessionDoesNotExist || len(b.settled().Sessions()) != 0 {
			t.Errorf("back too late: 0x%04x, %+v", r.Status(), b.settled().Sessions())
		}
	})
}

func TestLossWithoutRetainEndsTheSession(t *testing.T) {
	inBubble(t, "plain", nil, nil, func(b *bench) {
		p := b.dial("A").login(pair("DefaultTime2Retain", "0"))
		p.conn.Close()
		time.Sleep(time.Second)
		if n := len(b.settled().Sessions()); n != 0 {
			t.Errorf("%d sessions are left", n)
		}
		b.dial("A").login().works()
	})
}

// Each shape of refusing a second session of an initiator name.
func TestSecondSession(t *testing.T) {
	for profile, want := range map[string]iscsi.Status{
		"second-session-refused-0206": 0x0206, "second-session-refused-0202": 0x0202, "second-session-refused-0301": 0x0301,
		"second-session-refused-0302": 0x0302, "second-session-refused-fin": 0, "second-session-refused-rst": 0,
	} {
		t.Run(profile, func(t *testing.T) {
			inBubble(t, profile, nil, nil, func(b *bench) {
				first := b.dial("A").login()
				p := b.dial("A")
				p.isid[5]++
				if want != 0 {
					if r := p.tryLogin(); iscsi.Status(r.Status()) != want {
						t.Errorf("0x%04x, want %s", r.Status(), want)
					}
				} else {
					p.send(p.request(pdu.StageOperational, pdu.StageFullFeature, true, p.names()))
				}
				if !p.closed() {
					t.Error("the second connection stays open")
				}
				first.works()
				b.dial("A").login().works() // reinstatement is no second session
				stranger := b.dial("A")
				stranger.name += ".other"
				stranger.login().works()
			})
		})
	}
}

func TestSecondSessionEndsTheFirst(t *testing.T) {
	for _, profile := range []string{"second-session-kills-oldest", "name-killer"} {
		t.Run(profile, func(t *testing.T) {
			inBubble(t, profile, nil, nil, func(b *bench) {
				first := b.dial("A").login()
				stranger := b.dial("A")
				stranger.name += ".other"
				stranger.login()
				p := b.dial("A")
				p.isid[5]++
				p.login().works()
				if !first.closed() {
					t.Error("the first session lives on")
				}
				stranger.works()
			})
		})
	}
}

// A single-port array keeps the first session and sends further ones to its hidden portals in turn.
func TestRedirectOfFurtherSessions(t *testing.T) {
	for profile, status := range map[string]iscsi.Status{
		"single-port-redirect-temporary": iscsi.StatusMovedTemporarily, "single-port-redirect-permanent": iscsi.StatusMovedPermanently,
	} {
		t.Run(profile, func(t *testing.T) {
			inBubble(t, profile, nil, nil, func(b *bench) {
				first := b.dial("A").login()
				var went []string
				for i := range 3 {
					p := b.dial("A")
					p.isid[5] = byte(10 + i)
					r := p.tryLogin()
					address, _ := p.answers.Get("TargetAddress")
					if iscsi.Status(r.Status()) != status || r.Transit || !p.closed() {
						t.Fatalf("%+v", r)
					}
					went = append(went, address)
				}
				if want := []string{"10.0.0.2:3260", "10.0.0.3:3260", "10.0.0.2:3260"}; !slices.Equal(went, want) {
					t.Errorf("redirected to %v, want %v", went, want)
				}
				there := b.dial("B")
				there.isid[5] = 10
				there.login().works()
				first.works()
				first.conn.Close()
				time.Sleep(30 * time.Second)
				b.dial("A").login().works() // the first session's place is free again
			})
		})
	}
}

func TestRedirectPassesDeadPortalsOver(t *testing.T) {
	inBubble(t, "group-address-redirect", nil, nil, func(b *bench) {
		for _, name := range []string{"B", "C", "E"} {
			b.apply(Action{Portal: &PortalState{Name: name}})
		}
		for range 2 {
			p := b.dial("A")
			p.tryLogin()
			if address, _ := p.answers.Get("TargetAddress"); address != "10.0.0.4:3260" {
				t.Errorf("redirected to %q", address)
			}
		}
		b.apply(Action{Portal: &PortalState{Name: "D"}})
		b.dial("A").login().works() // nowhere else to go
		b.apply(Action{Portal: &PortalState{Name: "B", Up: true}})
		p := b.dial("A")
		p.isid[5]++
		p.tryLogin()
		if address, _ := p.answers.Get("TargetAddress"); address != "10.0.0.2:3260" {
			t.Errorf("redirected to %q", address)
		}
	})
}
