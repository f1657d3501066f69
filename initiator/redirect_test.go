package initiator

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

const (
	temporary = iscsi.StatusMovedTemporarily
	permanent = iscsi.StatusMovedPermanently
)

// sendsTo is a portal that redirects every login.
func sendsTo(status iscsi.Status, addresses ...string) func(*fakeEnd) {
	return func(e *fakeEnd) { e.redirect(status, addresses...) }
}

// accepts is a portal that lets every login in and serves a disk.
func accepts(limits ...string) func(*fakeEnd) {
	return func(e *fakeEnd) {
		if e.login(limits...) {
			e.disk(make([]byte, 1<<16), nil)
		}
	}
}

// redirectCase is one login against portals; the dials that are seen and the outcome are what counts.
type redirectCase struct {
	portals map[string]func(*fakeEnd)
	dev     RedirectDeviations
	dialed  []string
	err     string // A part of the error; "" for success.
}

func (c redirectCase) run(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.places = c.portals
		cfg := config()
		cfg.Deviations = &Deviations{Redirect: c.dev}
		s, err := Login(t.Context(), n, cfg)
		switch {
		case err == nil && c.err != "":
			t.Errorf("login succeeded, want an error about %q", c.err)
		case err != nil && (c.err == "" || !strings.Contains(err.Error(), c.err)):
			t.Errorf("login: %v, want %q", err, c.err)
		}
		if !cmp.Equal(n.dialed, c.dialed) {
			t.Errorf("dialed %v, want %v", n.dialed, c.dialed)
		}
		if s != nil {
			s.Close()
			<-s.Done()
		}
	})
}

func TestRedirects(t *testing.T) {
	both := func(status iscsi.Status, addresses ...string) map[string]func(*fakeEnd) {
		return map[string]func(*fakeEnd){portalA: sendsTo(status, addresses...), portalB: accepts()}
	}
	to := func(address string) map[string]func(*fakeEnd) {
		return map[string]func(*fakeEnd){portalA: sendsTo(temporary, address)}
	}
	ab := []string{portalA, portalB}
	for name, c := range map[string]redirectCase{
		"temporary":       {portals: both(temporary, portalB), dialed: ab},
		"permanent":       {portals: both(permanent, portalB), dialed: ab},
		"unknown detail":  {portals: both(0x017f, portalB), dialed: ab},
		"default port":    {portals: both(temporary, "192.0.2.2"), dialed: ab},
		"with a tag":      {portals: both(temporary, "192.0.2.2:3260,1"), dialed: ab},
		"no address":      {portals: both(temporary), dialed: ab[:1], err: "without TargetAddress"},
		"empty address":   {portals: both(temporary, ""), dialed: ab[:1], err: "without TargetAddress"},
		"dead":            {portals: to(portalB), dialed: ab, err: "refused"},
		"name":            {portals: to("portal-b.test:3261"), dialed: []string{portalA, "portal-b.test:3261"}, err: "refused"},
		"IPv6":            {portals: to("[2001:db8::1]"), dialed: []string{portalA, "[2001:db8::1]:3260"}, err: "refused"},
		"IPv6 and port":   {portals: to("[::1]:17"), dialed: []string{portalA, "[::1]:17"}, err: "refused"},
		"no host":         {portals: to(":3260"), dialed: ab[:1], err: "host"},
		"no bracket":      {portals: to("[::1"), dialed: ab[:1], err: "]"},
		"large port":      {portals: to("host:99999"), dialed: ab[:1], err: "port"},
		"no IPv4":         {portals: to("999.1.1.1"), dialed: ab[:1], err: "IPv4"},
		"long name":       {portals: to(strings.Repeat("a", 300)), dialed: ab[:1], err: "255"},
		"first is dead":   {portals: both(temporary, "192.0.2.9", portalB), dialed: []string{portalA, "192.0.2.9:3260", portalB}},
		"second is dead":  {portals: both(temporary, portalB, "192.0.2.9"), dialed: ab},
		"second is wrong": {portals: both(temporary, portalB, "host:0"), dialed: ab[:1], err: "port"},
	} {
		t.Run(name, c.run)
	}
}

func TestRedirectLoopIsBounded(t *testing.T) {
	for name, portals := range map[string]map[string]func(*fakeEnd){
		"to itself": {portalA: sendsTo(temporary, portalA)},
		"in turns":  {portalA: sendsTo(temporary, portalB), portalB: sendsTo(permanent, portalA)},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *fakeNetwork) {
				n.places = portals
				_, err := Login(t.Context(), n, config())
				var redirect *RedirectError
				if !errors.Is(err, ErrRedirectLimit) || !errors.As(err, &redirect) || len(redirect.Redirects) != 32 {
					t.Errorf("got %v", err)
				}
				if len(n.dialed) != 33 {
					t.Errorf("%d dials", len(n.dialed))
				}
			})
		})
	}
}

func TestRedirectsAreDescribed(t *testing.T) {
	c := "192.0.2.3:3260"
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, sendsTo(permanent, portalB)).at(portalB, sendsTo(temporary, c)).at(c, accepts())
		s := mustLogin(t, n, config())
		info := s.Info()
		at := func(host string, port uint16) iscsi.Address { return iscsi.Address{Host: host, Port: port} }
		want := []Redirect{
			{Status: permanent, From: at("192.0.2.1", 0), To: at("192.0.2.2", 3260)},
			{Status: temporary, From: at("192.0.2.2", 3260), To: at("192.0.2.3", 3260)},
		}
		if diff := cmp.Diff(want, info.Redirects); diff != "" {
			t.Error(diff)
		}
		if info.Configured != at("192.0.2.1", 0) || info.Current != at("192.0.2.3", 3260) {
			t.Errorf("configured %v, current %v", info.Configured, info.Current)
		}
		if portal, ok := PermanentPortal(info.Redirects); !ok || portal != want[0].To {
			t.Errorf("permanent portal %v %v", portal, ok)
		}
		if _, ok := PermanentPortal(info.Redirects[1:]); ok {
			t.Error("a temporary redirect made a permanent portal")
		}
	})
}

// lateRedirect redirects in the operational stage, with T=1 if so asked.
func lateRedirect(transit bool) func(*fakeEnd) {
	return func(e *fakeEnd) {
		e.answerLogin(e.readLogin(), base("AuthMethod=None"))
		p := e.readLogin()
		r := &pdu.LoginResponse{Transit: transit, CSG: p.CSG, NSG: p.NSG, ISID: p.ISID, ITT: p.ITT, TSIH: 7, Data: base("TargetAddress=" + portalB).Append(nil)}
		r.SetStatus(uint16(temporary))
		e.write(r)
		if p := e.read(); p != nil {
			e.t.Errorf("after the redirect came %T", p)
		}
	}
}

func TestLateRedirectBeginsAnew(t *testing.T) {
	for _, transit := range []bool{false, true} {
		bubble(t, func(t *testing.T, n *fakeNetwork) {
			var b *fakeEnd
			n.at(portalA, lateRedirect(transit)).at(portalB, func(e *fakeEnd) {
				b = e
				accepts()(e)
			})
			s := mustLogin(t, n, config())
			first, _ := textOf(b.logins[0].Data).Get("InitiatorName")
			if p := b.logins[0]; p.CSG != pdu.StageSecurity || p.TSIH != 0 || first != testInitiator || p.ISID != s.Info().ISID {
				t.Errorf("first request at B: %+v", p)
			}
			if _, offered := b.keys.Get("MaxBurstLength"); !offered {
				t.Error("keys were not offered anew")
			}
		})
	}
}

func TestStrayTargetAddressMovesNothing(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, func(e *fakeEnd) {
			e.answerLogin(e.readLogin(), base("AuthMethod=None"))
			e.answerLogin(e.readLogin(), base("TargetAddress="+portalB))
			p := expect[*pdu.TextRequest](e)
			e.write(&pdu.TextResponse{Final: true, ITT: p.ITT, TTT: pdu.ReservedTag, Data: base("TargetAddress=" + portalB).Append(nil)})
			e.disk(nil, nil)
		})
		s := mustLogin(t, n, config())
		if _, err := s.Text(t.Context(), nil); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute)
		if !slices.Equal(n.dialed, []string{portalA}) {
			t.Errorf("dialed %v", n.dialed)
		}
	})
}

func TestRedirectDeviations(t *testing.T) {
	ab := []string{portalA, portalB}
	portals := func(status iscsi.Status, addresses ...string) map[string]func(*fakeEnd) {
		return map[string]func(*fakeEnd){portalA: sendsTo(status, addresses...), portalB: accepts()}
	}
	for name, c := range map[string]redirectCase{
		"Fatal":           {portals: portals(temporary, portalB), dev: RedirectDeviations{Fatal: true}, dialed: ab[:1], err: "0x0101"},
		"PermanentFatal":  {portals: portals(permanent, portalB), dev: RedirectDeviations{PermanentFatal: true}, dialed: ab[:1], err: "0x0102"},
		"PortZero":        {portals: portals(temporary, "192.0.2.2"), dev: RedirectDeviations{PortZero: true}, dialed: []string{portalA, "192.0.2.2:0"}, err: "refused"},
		"SplitFirstColon": {portals: portals(temporary, "[::1]:77"), dev: RedirectDeviations{SplitFirstColon: true}, dialed: []string{portalA, ":3260"}, err: "refused"},
		"OnlyDottedQuads": {portals: portals(temporary, "portal-b.test"), dev: RedirectDeviations{OnlyDottedQuads: true}, dialed: ab[:1], err: "dotted"},
		"TagInPort":       {portals: portals(temporary, "192.0.2.2:3999,1"), dev: RedirectDeviations{TagInPort: true}, dialed: ab},
		"TruncatePort":    {portals: portals(temporary, "host:99999"), dev: RedirectDeviations{TruncatePort: true}, dialed: []string{portalA, "host:34463"}, err: "refused"},
		"LastAddressOnly": {portals: portals(temporary, portalB, "192.0.2.9"), dev: RedirectDeviations{LastAddressOnly: true}, dialed: []string{portalA, "192.0.2.9:3260"}, err: "refused"},
	} {
		t.Run(name, c.run)
	}
}

func TestEndlessRedirectDeviations(t *testing.T) {
	for name, c := range map[string]struct {
		dev RedirectDeviations
		to  []string
	}{
		"NoLimit":               {RedirectDeviations{NoLimit: true}, []string{portalA}},
		"MissingAddressRetries": {RedirectDeviations{MissingAddressRetries: true}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *fakeNetwork) {
				n.at(portalA, func(e *fakeEnd) {
					time.Sleep(10 * time.Millisecond)
					e.redirect(temporary, c.to...)
				})
				cfg := config()
				cfg.Deviations = &Deviations{Redirect: c.dev}
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				defer cancel()
				if _, err := Login(ctx, n, cfg); err == nil || len(n.dialed) < 100 {
					t.Errorf("%v after %d dials", err, len(n.dialed))
				}
				time.Sleep(time.Second) // The portal's last delay.
			})
		})
	}
}

func TestLateRedirectDeviations(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, func(e *fakeEnd) {
			e.answerLogin(e.readLogin(), base("AuthMethod=None"))
			p := e.readLogin()
			r := &pdu.LoginResponse{Transit: true, CSG: p.CSG, NSG: p.NSG, ISID: p.ISID, ITT: p.ITT, TSIH: 7}
			r.SetStatus(uint16(temporary))
			e.write(r)
			e.disk(nil, nil)
		})
		cfg := config()
		cfg.Deviations = &Deviations{Redirect: RedirectDeviations{OnlyFirstResponse: true}}
		mustLogin(t, n, cfg) // It takes the redirect for success.
	})
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		var first *pdu.LoginRequest
		n.at(portalA, lateRedirect(false)).at(portalB, func(e *fakeEnd) { first = e.readLogin() })
		cfg := config()
		cfg.Deviations = &Deviations{Redirect: RedirectDeviations{ContinueStage: true}}
		_, err := Login(t.Context(), n, cfg)
		if _, named := textOf(first.Data).Get("InitiatorName"); err == nil || first.CSG != pdu.StageOperational || named {
			t.Errorf("%v, first request at B: %+v", err, first)
		}
	})
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, func(e *fakeEnd) {
			e.answerLogin(e.readLogin(), base("AuthMethod=None"))
			e.answerLogin(e.readLogin(), base("TargetAddress="+portalB))
		}).at(portalB, accepts())
		cfg := config()
		cfg.Deviations = &Deviations{Redirect: RedirectDeviations{AnyAddressMoves: true}}
		if s := mustLogin(t, n, cfg); s.Info().Current.Host != "192.0.2.2" {
			t.Errorf("ended at %v", s.Info().Current)
		}
	})
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, func(e *fakeEnd) {
			p := e.readLogin()
			r := &pdu.LoginResponse{Transit: true, CSG: p.CSG, NSG: p.NSG, ISID: p.ISID, ITT: p.ITT}
			r.SetStatus(0x017f)
			e.write(r)
			e.answerLogin(e.readLogin(), nil)
			e.disk(nil, nil)
		})
		cfg := config()
		cfg.Deviations = &Deviations{Redirect: RedirectDeviations{UnknownDetailSucceeds: true}}
		mustLogin(t, n, cfg)
	})
}
