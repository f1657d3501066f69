package initiator

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// wireScene is a target's script and what the initiator is asked meanwhile.
type wireScene struct {
	serve  func(e *fakeEnd)
	act    func(ctx context.Context, s *Session, note func(...any))
	config func(*LoginConfig)
}

// wireScenes show, taken together, every deviation of the session layer.
func wireScenes() []wireScene {
	read := func(ctx context.Context, s *Session, note func(...any)) {
		r := readRequest(0, 512)
		note(s.Do(ctx, r), r.Transferred, r.Status)
	}
	return []wireScene{
		{serve: accepts(), act: read, config: func(c *LoginConfig) { c.Previous = &SessionInfo{TSIH: 77} }},
		{serve: answering(delayed(), delayed(), plain, delayed(), plain), act: read},
		{serve: answering(plain, partial("MaxBurstLength=5"), func(_ *pdu.LoginRequest, r *pdu.LoginResponse) {
			r.Transit, r.NSG, r.TSIH, r.Data = true, 3, 1, []byte("12\x00")
		}), act: read},
		{serve: answering(plain, func(_ *pdu.LoginRequest, r *pdu.LoginResponse) { r.CSG = 0 }), act: read},
		{serve: answering(plain, status(0x0302)), act: read},
		{serve: answering(), act: read},
		{serve: asks(&pdu.AsyncMessage{Event: pdu.AsyncLogoutRequest, Parameter3: 4}), act: read},
		{serve: asks(&pdu.AsyncMessage{Event: pdu.AsyncConnectionDrop, Parameter1: 0, Parameter2: 3, Parameter3: 5}), act: read},
		{serve: asks(&pdu.AsyncMessage{Event: pdu.AsyncNegotiation, Parameter3: 4}), act: read},
		{serve: asks(&pdu.NOPIn{ITT: pdu.ReservedTag, TTT: 5, LUN: 6}), act: read},
		{serve: closedWindow, act: manyThenLogout},
		{serve: unheard, act: read, config: func(c *LoginConfig) { c.PingInterval = 0 }},
		{serve: retiredTag, act: func(ctx context.Context, s *Session, note func(...any)) {
			read(ctx, s, note)
			read(ctx, s, note)
		}},
		{serve: script(func(e *fakeEnd) {
			p := expect[*pdu.SCSICommand](e)
			e.write(&pdu.DataIn{Final: true, StatusPresent: true, ITT: p.ITT, Underflow: true, ResidualCount: 412, Data: make([]byte, 100)})
			e.disk(nil, nil)
		}), act: read},
		{serve: accepts("FirstBurstLength=4096", "ImmediateData=No"), act: func(ctx context.Context, s *Session, note func(...any)) {
			note(s.Do(ctx, writeRequest(0, make([]byte, 8192))))
		}},
		{serve: script(func(e *fakeEnd) {
			for range 4 {
				e.read()
			}
			p := expect[*pdu.LogoutRequest](e)
			e.write(&pdu.LogoutResponse{ITT: p.ITT, Response: pdu.LogoutCleanupFailed, Time2Wait: 9})
			e.read()
		}), act: manyThenLogout},
		{serve: twoTargets, act: func(ctx context.Context, s *Session, note func(...any)) { note(s.SendTargets(ctx, "All")) }, config: discoveryConfig},
	}
}

func discoveryConfig(c *LoginConfig) { c.Type, c.TargetName = DiscoverySession, "" }

// asks accepts a login, sends one PDU, serves for a while and closes.
func asks(p pdu.PDU) func(*fakeEnd) {
	return script(func(e *fakeEnd) {
		e.write(p)
		timer := time.AfterFunc(20*time.Second, func() { e.Close() })
		defer timer.Stop()
		e.disk(make([]byte, 512), nil)
	})
}

// closedWindow lets one command through and answers a logout.
func closedWindow(e *fakeEnd) {
	e.window = 1
	if e.login() {
		for {
			switch p := e.read().(type) {
			case nil:
				return
			case *pdu.LogoutRequest:
				e.write(&pdu.NOPIn{ITT: pdu.ReservedTag, TTT: pdu.ReservedTag}) // Opens the window.
				time.Sleep(time.Second)
				e.write(&pdu.LogoutResponse{ITT: p.ITT})
			}
		}
	}
}

// manyThenLogout submits commands that nobody answers, and logs out.
func manyThenLogout(ctx context.Context, s *Session, note func(...any)) {
	var outcomes [4]string
	for i := range outcomes {
		s.Submit(&Request{CDB: make([]byte, 6), Done: func(r *Request) { outcomes[i] = fmt.Sprint(r.Err, r.Sent) }})
	}
	time.Sleep(time.Second)
	note(s.Logout(ctx), outcomes)
}

func unheard(e *fakeEnd) {
	if e.login() {
		for e.read() != nil {
		}
	}
}

// retiredTag answers a read; the tags that follow show whether its own is used again.
func retiredTag(e *fakeEnd) {
	if !e.login() {
		return
	}
	p := expect[*pdu.SCSICommand](e)
	e.dataIn(p.ITT, make([]byte, 512))
	e.disk(make([]byte, 512), nil)
}

// twoTargets answers SendTargets in two parts.
func twoTargets(e *fakeEnd) {
	if !e.login() {
		return
	}
	parts := []string{"TargetName=iqn.2001-04.test:a\x00TargetAddress=192.0.2.7,1\x00", "TargetName=iqn.2001-04.test:b\x00TargetAddress=192.0.2.8,1\x00"}
	for i := 0; ; i++ {
		p, ok := e.read().(*pdu.TextRequest)
		if !ok {
			return
		}
		r := &pdu.TextResponse{Final: i >= 1, ITT: p.ITT, TTT: uint32(3 + i)}
		if i < len(parts) {
			r.Data = []byte(parts[i])
		}
		e.write(r)
	}
}

// recorder notes every byte that the initiator sends.
type recorder struct {
	mu   sync.Mutex
	seen strings.Builder
}

func (r *recorder) note(what ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Fprintln(&r.seen, what...)
}

// witness plays a scene for a minute and returns what the target and the requester saw.
func witness(t *testing.T, w wireScene, set func(*Deviations)) string {
	var r recorder
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, func(e *fakeEnd) {
			e.witness = r.note
			w.serve(e)
		})
		cfg := config()
		if w.config != nil {
			w.config(&cfg)
		}
		if set != nil {
			cfg.Deviations = new(Deviations)
			set(cfg.Deviations)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		s, err := Login(ctx, n, cfg)
		r.note(err)
		if err != nil {
			return
		}
		go w.act(ctx, s, r.note)
		time.Sleep(2 * time.Minute)
		s.Close()
		<-s.Done()
		l := s.Loss()
		r.note(s.Info().TSIH, l.Time2Wait, l.Planned, l.Async, l.Cause)
	})
	return r.seen.String()
}

// TestEveryWireDeviationShows demands of each deviation of the session layer that it changes what is seen in one scene at least, and
// that its row is in the catalogue.
func TestEveryWireDeviationShows(t *testing.T) {
	catalogue, err := os.ReadFile("../scenarios/catalogue/initiator.yaml")
	if err != nil {
		t.Fatal(err)
	}
	scenes := wireScenes()
	var sound []string
	for _, w := range scenes {
		sound = append(sound, witness(t, w, nil))
	}
	for _, row := range slices.Concat(redirectRows(), loginRows(), fullFeatureRows()) {
		if !strings.Contains(string(catalogue), "\n- id: "+row.Row+"\n") {
			t.Errorf("row %s is not in the catalogue", row.Row)
		}
		if strings.HasPrefix(row.Row, "redirect.") {
			continue // Each has a case in TestRedirectDeviations and its neighbours.
		}
		shows := false
		for i, w := range scenes {
			shows = shows || witness(t, w, row.Set) != sound[i]
		}
		if !shows {
			t.Errorf("the deviation of %s changes nothing in any scene", row.Row)
		}
	}
}
