package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/faults"
	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/internal/serving"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/simtarget/server"
	"github.com/iscsispec/iscsispec/trace"
)

// served puts simulated arrays on TCP.
func served(t *testing.T, text string) *server.Server {
	t.Helper()
	config, err := server.ParseConfig(filepath.Join(t.TempDir(), "serve.yaml"), []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.New(config, server.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// before puts a proxy before the first portal of a server.
func before(t *testing.T, s *server.Server, o Options) *Proxy {
	o.To = []To{{Array: addressOf(t, s.Listeners()[0].Address)}}
	return started(t, o)
}

func login(t *testing.T, p *Proxy, target string, isid uint16, header, data string) (*initiator.Session, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := initiator.LoginConfig{
		InitiatorName: "iqn.2026-01.com.example:host", TargetName: target, Portal: addressOf(t, p.Portals()[0].Address), ISID: iscsi.RandomISID(7, isid),
		HeaderDigest: []string{header}, DataDigest: []string{data},
	}
	if target == "" {
		c.Type = initiator.DiscoverySession
	}
	session, err := initiator.Login(ctx, &net.Dialer{}, c)
	if err == nil {
		t.Cleanup(func() { session.Close() })
	}
	return session, err
}

func mustLogin(t *testing.T, p *Proxy, target string, header, data string) *initiator.Session {
	t.Helper()
	s, err := login(t, p, target, 1, header, data)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const plainTarget = "iqn.2026-01.io.iscsispec:plain"

// With any digests, what a session writes through the proxy is what it reads, and nothing is out of step.
func TestASessionPasses(t *testing.T) {
	s := served(t, "arrays: [{profile: plain, luns: [{number: 0, size: 64MiB}]}]")
	for _, digests := range [][2]string{{"None", "None"}, {"CRC32C", "None"}, {"None", "CRC32C"}, {"CRC32C", "CRC32C"}} {
		log := trace.NewLog()
		p := before(t, s, Options{Log: log})
		run(t, p, "drop:pdu=any,nth=1000000")
		session := mustLogin(t, p, plainTarget, digests[0], digests[1])
		block := make([]byte, 1<<20)
		for i := range block {
			block[i] = byte(i * 7 >> 3)
		}
		for lba := uint32(0); lba < 16*2048; lba += 2048 {
			w := &initiator.Request{LUN: uint64(scsi.LUNOf(0)), CDB: scsi.Write10(lba, 2048), Write: block}
			if err := session.Do(t.Context(), w); err != nil {
				t.Fatal(err)
			}
			r := &initiator.Request{LUN: uint64(scsi.LUNOf(0)), CDB: scsi.Read10(lba, 2048), Read: make([]byte, len(block))}
			if err := session.Do(t.Context(), r); err != nil || !bytes.Equal(r.Read, block) {
				t.Fatal("what was read is not what was written", err)
			}
		}
		now := p.Status().Connections[0]
		if now.Stage != "full feature" || now.HeaderDigest != digests[0] || now.DataDigest != digests[1] || now.ToTarget.Bytes < 16<<20 || now.ToInitiator.PDUs < 32 {
			t.Errorf("%+v", now)
		}
		if err := session.Logout(t.Context()); err != nil {
			t.Error(err)
		}
		settled(t, p)
		for _, e := range log.Events() {
			if e.Kind == trace.KindBytes {
				t.Errorf("bytes that are no PDU: %+v", e)
			}
		}
	}
}

// Every portal that an array announces is the proxy's, the same one each time, and leads where it says.
func TestDiscoveryStaysBehindTheProxy(t *testing.T) {
	s := served(t, "arrays: [{profile: multi-portal}]")
	p := before(t, s, Options{})
	seen := map[string]string{}
	for range 2 {
		session := mustLogin(t, p, "", "CRC32C", "CRC32C")
		targets, err := session.SendTargets(t.Context(), "All")
		if err != nil {
			t.Fatal(err)
		}
		fronts := map[string]bool{}
		for _, portal := range p.Portals() {
			fronts[portal.Address] = true
		}
		for _, target := range targets {
			for _, a := range target.Addresses {
				if !fronts[a.HostPort()] {
					t.Errorf("%s is at %s, which is none of the proxy's", target.Name, a)
				}
				seen[a.HostPort()] = target.Name
			}
		}
		if err := session.Logout(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if len(seen) < 2 || len(seen) != len(p.Portals()) || len(seen) != len(s.Listeners()) {
		t.Errorf("%d portals seen, %d of the proxy's, %d of the array's", len(seen), len(p.Portals()), len(s.Listeners()))
	}
	for address, target := range seen {
		through := initiator.LoginConfig{InitiatorName: "iqn.2026-01.com.example:host", TargetName: target, Portal: addressOf(t, address), ISID: iscsi.RandomISID(7, 2)}
		session, err := initiator.Login(t.Context(), &net.Dialer{}, through)
		if err != nil {
			t.Fatal(err)
		}
		if err := session.Logout(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// An array that redirects leads to the proxy again. A connection that was redirected closes while the next one is at work already, so the
// three sessions are all that is left only in the end.
func TestRedirectsStayBehindTheProxy(t *testing.T) {
	s := served(t, "arrays: [{profile: single-port-redirect-temporary}]")
	p := before(t, s, Options{})
	target := s.Units()[0].URL.Target
	for isid := range uint16(3) {
		session, err := login(t, p, target, isid, "None", "None")
		if err != nil {
			t.Fatal(err)
		}
		defer session.Logout(t.Context())
	}
	if portals := p.Portals(); len(portals) < 2 {
		t.Errorf("%d portals", len(portals))
	}
	eventually(t, func() bool { return len(p.Status().Connections) == 3 })
	for _, c := range p.Status().Connections {
		if c.Stage != "full feature" {
			t.Errorf("%+v", c)
		}
	}
}

// A fault inside a login and one inside a command strike where they are placed, with digests on.
func TestFaultsStrikeSessions(t *testing.T) {
	s := served(t, "arrays: [{profile: plain, luns: [{number: 0, size: 1MiB}]}]")
	log := trace.NewLog()
	p := before(t, s, Options{Log: log})
	run(t, p, "reset:pdu=login-response,nth=1,byte=20\ncorrupt:pdu=data-in,if=final,byte=data-digest")
	if _, err := login(t, p, plainTarget, 1, "CRC32C", "CRC32C"); err == nil {
		t.Fatal("the login passes")
	}
	session := mustLogin(t, p, plainTarget, "CRC32C", "CRC32C")
	r := &initiator.Request{LUN: uint64(scsi.LUNOf(0)), CDB: scsi.Read10(0, 8), Read: make([]byte, 4096)}
	if err := session.Do(t.Context(), r); err == nil {
		t.Error("a wrong digest passes")
	}
	if idle := p.Unfired(); idle != nil {
		t.Errorf("unfired: %v", idle)
	}
	session.Close()
	settled(t, p)
	wrong := 0
	for _, e := range log.Events() {
		if e.PDU != nil && e.PDU.Frame().DataDigestError() != nil {
			wrong++
			if strings.HasSuffix(e.Conn, "/array") || e.Kind != trace.KindPDUSent {
				t.Errorf("the array is told to have sent it: %+v", e)
			}
		}
	}
	if wrong != 1 {
		t.Errorf("%d PDUs with a wrong digest", wrong)
	}
}

func control(t *testing.T, p *Proxy, kind, body string) (int, serving.Outcome) {
	t.Helper()
	response, err := http.Post(p.StatusURL()+"control", kind, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var outcome serving.Outcome
	if err := json.NewDecoder(response.Body).Decode(&outcome); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, outcome
}

// Faults are injected and healed by hand, counts and connections are told, and nothing else is let in.
func TestControl(t *testing.T) {
	l := arrayListening(t)
	p := inFrontOf(t, l)
	if err := p.ServeStatus("0.0.0.0:0"); err == nil {
		t.Error("control is for everybody")
	}
	if err := p.ServeStatus("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	if err := p.ServeStatus("127.0.0.1:0"); err == nil {
		t.Error("a second page is served")
	}
	near, far := pair(t, p, l)
	const kind = "application/json"
	if code, o := control(t, p, kind, `{"actions": [{"inject": "silence:at=9h"}, {"inject": "drop:pdu=nop-in"}]}`); code != 200 || o.Done != 2 {
		t.Errorf("%d %+v", code, o)
	}
	if _, err := far.Write(append(ping(1), ping(2)...)); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return p.Status().Connections[0].ToInitiator.Waiting == 64 })
	response, err := http.Get(p.StatusURL() + "status.json")
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(response.Body)
	response.Body.Close()
	for _, want := range []string{`"schema": "iscsispec.proxy.status/1"`, `"fault": "drop:pdu=nop-in"`, `"fired": 1`, `"service": "silent"`, `"silence:at=0s"`, `"held": true`} {
		if err != nil || !strings.Contains(string(text), want) {
			t.Errorf("no %s, %v:\n%s", want, err, text)
		}
	}
	if code, o := control(t, p, "application/yaml", "actions:\n  - heal: '*'\n"); code != 200 || o.Done != 1 {
		t.Errorf("%d %+v", code, o)
	}
	if got := make([]byte, 64); must(io.ReadFull(near, got)) != 64 || !bytes.Equal(got, ping(2)) {
		t.Errorf("%x", got)
	}
	for body, want := range map[string]struct {
		code   int
		reason string
	}{
		``:                            {400, "empty"},
		`{"actions": []}`:             {400, "0 actions"},
		`{"actions": [{"injcet":1}]}`: {400, "injcet"},
		`{"actions": [{"heal": "*"}, {"inject": "explode:at=0s"}]}`: {422, "action 1"},
		`{"actions": [{}]}`:                {422, "either"},
		`{"actions": [{"heal": "a b"}]}`:   {422, "scope"},
		strings.Repeat(" ", 1<<20+1) + `x`: {413, "bytes"},
	} {
		if code, o := control(t, p, kind, body); code != want.code || !strings.Contains(o.Error, want.reason) {
			t.Errorf("%.40q: %d %+v", body, code, o)
		}
	}
	if code, _ := control(t, p, "text/plain", `{"actions": [{"heal": "*"}]}`); code != 415 {
		t.Errorf("a form is let in: %d", code)
	}
}

// An instant of a plan counts from its start, and what begins again and again does so as often as it says.
func TestPlansRunByTheClock(t *testing.T) {
	l := arrayListening(t)
	p := inFrontOf(t, l)
	begun := time.Now()
	run(t, p, "refuse:at=30ms,for=10ms,every=20ms,times=3\nreset:at=1h")
	eventually(t, func() bool { return p.Counts()[0].Fired == 3 })
	if took := time.Since(begun); took < 70*time.Millisecond {
		t.Errorf("three beginnings within %v", took)
	}
	eventually(t, func() bool { return len(p.Status().InForce) == 0 })
	pair(t, p, l)
	if idle := p.Unfired(); len(idle) != 1 || idle[0].Verb != faults.Reset {
		t.Errorf("%v", idle)
	}
}
