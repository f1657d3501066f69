package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/internal/leaks"
	"github.com/iscsispec/iscsispec/internal/serving"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/scsi"
)

func TestMain(m *testing.M) { leaks.Main(m) }

// started serves a configuration, with a status page.
func started(t *testing.T, text string) *Server {
	t.Helper()
	config, err := ParseConfig(filepath.Join(t.TempDir(), "serve.yaml"), []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(config, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	if err := s.ServeStatus("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	return s
}

// A step of a failover script that waits for a call happens when control calls it.
func TestControlCallsAStepOfTheScript(t *testing.T) {
	s := started(t, `
arrays:
  - profile: multi-portal
    luns: [{number: 0, size: 1MiB, store: "null"}]
    set:
      failover:
        script:
          - {name: controller-fails, on_call: true, do: [{portal: {name: A, up: false, drop: rst}}, {portal: {name: B, up: false, drop: rst}}]}
`)
	session := mustLogin(t, s.Units()[0].URL, 1)
	if code, a := request(t, s, "POST", "control", `{"actions": [{"call": {"step": "controller-fails"}}]}`); code != http.StatusOK {
		t.Fatalf("%d %+v", code, a)
	}
	select {
	case <-session.Done():
	case <-time.After(time.Minute):
		t.Fatal("the session goes on")
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		a := fetch(t, s, "").Arrays[0]
		if !a.Portals[0].Up && !a.Portals[1].Up && a.Portals[2].Up && a.Targets[0].LUNs[0].Store == "null" {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%+v", a)
		}
	}
	if code, a := request(t, s, "POST", "control", `{"actions": [{"call": {"step": "nothing"}}]}`); code != http.StatusUnprocessableEntity {
		t.Errorf("%d %+v", code, a)
	}
}

const two = `
arrays:
  - profile: plain
  - profile: plain
  - name: six
    profile: multi-portal
    listen: "[::1]:0"
    portals: {B: "127.0.0.1:0"}
    luns: [{number: 3, size: 1MiB}]
    set:
      session: {max_total: 4}
      login: {timeout: 3s}
`

func loggedIn(t *testing.T, u iscsi.URL, isid uint16, chap *initiator.CHAP) (*initiator.Session, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return initiator.Login(ctx, &net.Dialer{}, initiator.LoginConfig{
		InitiatorName: "iqn.2026-01.com.example:host", TargetName: u.Target, Portal: u.Portal, ISID: iscsi.RandomISID(7, isid), CHAP: chap,
	})
}

func mustLogin(t *testing.T, u iscsi.URL, isid uint16) *initiator.Session {
	t.Helper()
	s, err := loggedIn(t, u, isid, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func read(t *testing.T, s *initiator.Session, lun uint32) {
	t.Helper()
	r := &initiator.Request{LUN: uint64(scsi.LUNOf(lun)), CDB: scsi.Read10(0, 8), Read: make([]byte, 4096)}
	if err := s.Do(t.Context(), r); err != nil {
		t.Fatal(err)
	}
}

func fetch(t *testing.T, s *Server, query string) Status {
	t.Helper()
	response, err := http.Get(s.StatusURL() + "status.json" + query)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	decoder := json.NewDecoder(response.Body)
	decoder.DisallowUnknownFields()
	var status Status
	if err := decoder.Decode(&status); err != nil || response.StatusCode != http.StatusOK || status.Schema != StatusSchema {
		t.Fatalf("status %d, schema %q, %v", response.StatusCode, status.Schema, err)
	}
	return status
}

func TestArraysAreServedAndShown(t *testing.T) {
	s := started(t, two)
	units := s.Units()
	if units[0].Array != "plain" || units[1].Array != "plain-2" || units[2].Array != "six" || units[0].URL.Portal == units[1].URL.Portal {
		t.Fatalf("units %v", units)
	}
	first := mustLogin(t, units[0].URL, 1)
	read(t, first, 0)
	second := mustLogin(t, units[2].URL, 2)
	read(t, second, 3)
	status := fetch(t, s, "")
	plain, six := status.Arrays[0], status.Arrays[2]
	if plain.SessionsTotal != 1 || len(plain.Sessions) != 1 || status.Arrays[1].SessionsTotal != 0 || six.SessionsTotal != 1 {
		t.Fatalf("sessions %+v", status.Arrays)
	}
	session := plain.Sessions[0]
	if session.Initiator != "iqn.2026-01.com.example:host" || session.ISID != iscsi.RandomISID(7, 1).String() || session.TSIH == 0 ||
		session.Type != "normal" || !session.Connected || session.Commands != 1 || session.Negotiated.MaxBurstLength == 0 ||
		len(session.Connections) != 1 || session.Connections[0].HeaderDigest != "None" || session.Connections[0].BytesOut < 4096 {
		t.Errorf("session %+v", session)
	}
	if plain.Counters.Commands != 1 || plain.Counters.LoginsGranted != 1 || plain.Counters.PDUsIn < 2 {
		t.Errorf("counters %+v", plain.Counters)
	}
	if len(six.Portals) != 4 || !strings.HasPrefix(six.Portals[0].Address, "[::1]:") || !strings.HasPrefix(six.Portals[1].Address, "127.0.0.1:") {
		t.Errorf("portals %+v", six.Portals)
	}
	if luns := six.Targets[0].LUNs; len(luns) != 1 || luns[0].Number != 3 || luns[0].Blocks != 2048 {
		t.Errorf("units %+v", luns)
	}
	if none := fetch(t, s, "?sessions=0"); none.Arrays[0].SessionsTotal != 1 || len(none.Arrays[0].Sessions) != 0 {
		t.Errorf("sessions although none were asked for: %+v", none.Arrays[0])
	}
	for _, session := range []*initiator.Session{first, second} {
		if err := session.Logout(t.Context()); err != nil {
			t.Error(err)
		}
	}
	after := fetch(t, s, "")
	if after.Arrays[0].SessionsTotal != 0 || after.Arrays[0].Counters.Commands != 1 {
		t.Errorf("after the logout: %+v", after.Arrays[0])
	}
}

// request sends a control request with header fields that a list of pairs sets.
func request(t *testing.T, s *Server, method, path, body string, fields ...string) (int, serving.Outcome) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.StatusURL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(fields); i += 2 {
		if fields[i] == "Host" {
			r.Host = fields[i+1]
			continue
		}
		r.Header.Set(fields[i], fields[i+1])
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var a serving.Outcome
	_ = json.Unmarshal(text, &a) // of some requests the answer is no serving.Outcome
	return response.StatusCode, a
}

func TestControlCarriesOutActions(t *testing.T) {
	s := started(t, two)
	session := mustLogin(t, s.Units()[0].URL, 1)
	code, a := request(t, s, "POST", "control", `{"array": "plain", "actions": [{"drop": {"which": {"isid": "`+iscsi.RandomISID(7, 1).String()+`"}, "how": "rst"}},
		{"portal": {"name": "A", "up": false}}]}`)
	if code != http.StatusOK || a.Done != 2 || a.Error != "" {
		t.Fatalf("%d %+v", code, a)
	}
	select {
	case <-session.Done():
	case <-time.After(time.Minute):
		t.Fatal("the session goes on")
	}
	if portals := fetch(t, s, "").Arrays[0].Portals; portals[0].Up {
		t.Error("the portal is still up")
	}
	if c, err := net.Dial("tcp", s.Units()[0].URL.Portal.String()); err != nil {
		t.Error("the other array does not listen any more")
	} else {
		c.Close()
	}
	address := fetch(t, s, "").Arrays[0].Portals[0].Address
	if _, err := net.Dial("tcp", address); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("the portal that is down: %v", err)
	}
	if code, a = request(t, s, "POST", "control", "array: plain\nactions:\n  - portal: {up: true}\n  - lun: {add: [{number: 7, size: 2MiB}]}\n",
		"Content-Type", "application/yaml"); code != http.StatusOK {
		t.Fatalf("%d %+v", code, a)
	}
	array := fetch(t, s, "").Arrays[0]
	if !array.Portals[0].Up || array.Portals[0].Address != address {
		t.Errorf("portal %+v, want it back at %s", array.Portals[0], address)
	}
	if luns := array.Targets[0].LUNs; len(luns) != 2 || luns[1].Number != 7 || luns[1].Blocks != 4096 {
		t.Errorf("units %+v", luns)
	}
}

func TestControlRefuses(t *testing.T) {
	s := started(t, two)
	url := strings.TrimSuffix(s.StatusURL(), "/")
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(url, "http://"))
	const drop = `{"array": "plain", "actions": [{"drop": {}}]}`
	for name, c := range map[string]struct {
		method, path, body string
		fields             []string
		want               int
		reason             string
	}{
		"another array":       {"POST", "control", `{"array": "x", "actions": [{"drop": {}}]}`, nil, 404, `no array "x"`},
		"no array":            {"POST", "control", `{"actions": [{"drop": {}}]}`, nil, 404, `want one of`},
		"no JSON":             {"POST", "control", `{"array"`, nil, 400, "body"},
		"unknown field":       {"POST", "control", "{\"array\": \"plain\",\n\"actions\": [{\"dorp\": {}}]}", nil, 400, "line 2"},
		"nothing to do":       {"POST", "control", `{"array": "plain", "actions": []}`, nil, 400, "0 actions"},
		"empty":               {"POST", "control", ``, nil, 400, "empty"},
		"two verbs":           {"POST", "control", `{"array": "plain", "actions": [{"drop": {}}, {"drop": {}, "ping": {}}]}`, nil, 422, "action 1"},
		"too long":            {"POST", "control", strings.Repeat(" ", 1<<20+1), nil, 413, "bytes"},
		"a form":              {"POST", "control", drop, []string{"Content-Type", "text/plain"}, 415, "content type"},
		"a rebound name":      {"POST", "control", drop, []string{"Host", "evil.example:" + port}, 403, "host"},
		"a rebound name, GET": {"GET", "status.json", "", []string{"Host", "evil.example:" + port}, 403, "host"},
		"another origin":      {"POST", "control", drop, []string{"Origin", "http://evil.example"}, 403, "comes from"},
		"another port":        {"POST", "control", drop, []string{"Origin", "http://127.0.0.1:1"}, 403, "comes from"},
		"no origin":           {"POST", "control", drop, []string{"Origin", "null"}, 403, "comes from"},
		"HTTPS":               {"POST", "control", drop, []string{"Origin", "https://127.0.0.1:" + port}, 403, "comes from"},
		"another site":        {"POST", "control", drop, []string{"Sec-Fetch-Site", "cross-site"}, 403, "another site"},
		"a wrong method":      {"PUT", "control", drop, nil, 405, ""},
		"nothing there":       {"GET", "etc/passwd", "", nil, 404, ""},
		"no number":           {"GET", "status.json?sessions=many", "", nil, 400, "want a number"},
	} {
		code, a := request(t, s, c.method, c.path, c.body, c.fields...)
		if code != c.want || !strings.Contains(a.Error, c.reason) {
			t.Errorf("%s: %d %q, want %d and %q", name, code, a.Error, c.want, c.reason)
		}
	}
	for _, fields := range [][]string{{"Origin", url}, {"Host", "localhost:" + port}, {"Origin", "http://localhost:" + port, "Sec-Fetch-Site", "same-origin"}} {
		if code, a := request(t, s, "POST", "control", drop, fields...); code != http.StatusOK {
			t.Errorf("%v: %d %+v", fields, code, a)
		}
	}
}

func TestThePageIsServed(t *testing.T) {
	s := started(t, two)
	for path, want := range map[string]string{"": "page.js", "page.js": "use strict", "page.css": "color-scheme"} {
		response, err := http.Get(s.StatusURL() + path)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || !strings.Contains(string(text), want) || !strings.Contains(response.Header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s: %v\n%s", path, err, text)
		}
	}
}

func TestTheStatusPageStaysOnThisMachine(t *testing.T) {
	s := started(t, two)
	for _, address := range []string{"0.0.0.0:0", "[::]:0", ":0", "192.0.2.1:80", "example.com:80"} {
		if err := s.ServeStatus(address); !errors.Is(err, serving.ErrNotLoopback) {
			t.Errorf("%s: %v", address, err)
		}
	}
	if err := s.ServeStatus("127.0.0.1:0"); err == nil {
		t.Error("a second page is served")
	}
}

func TestPortsInUseAreTold(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	config := &Config{Arrays: []ArrayConfig{{Profile: "plain"}, {Profile: "plain", Listen: taken.Addr().String()}}}
	s, err := New(config, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var listen *serving.ListenError
	if err := s.Start(); !errors.As(err, &listen) || !strings.Contains(err.Error(), "in use") || !strings.Contains(err.Error(), "plain-2") {
		t.Errorf("error %v", err)
	}
}

func TestSecretsComeFromElsewhere(t *testing.T) {
	t.Setenv("SERVE_TEST_SECRET", "canary-of-the-environment")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "own"), []byte("canary-of-the-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	config, err := ParseConfig(filepath.Join(dir, "serve.yaml"), []byte(`
arrays:
  - profile: plain
    chap:
      users: [{name: host, secret_env: SERVE_TEST_SECRET}]
      own: {name: array, secret_file: own}
`))
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(config, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	u := s.Units()[0].URL
	session, err := loggedIn(t, u, 1, &initiator.CHAP{Name: "host", Secret: "canary-of-the-environment",
		TargetName: "array", TargetSecret: "canary-of-the-file"})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(s.Status(10))
	if err != nil || strings.Contains(string(text), "canary") || !strings.Contains(string(text), `"AuthMethod":"CHAP"`) {
		t.Errorf("the status: %v\n%s", err, text)
	}
	if err := session.Logout(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := loggedIn(t, u, 2, nil); err == nil {
		t.Error("a login without a proof is granted")
	}
}

// A hundred servers come and go, each with a session of which nobody takes leave, and leave nothing behind; TestMain looks for goroutines.
func TestAHundredServersLeaveNothing(t *testing.T) {
	before := descriptors(t)
	for i := range 100 {
		config, err := ParseConfig("serve.yaml", []byte(two))
		if err != nil {
			t.Fatal(err)
		}
		s, err := New(config, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(s.Start(), s.ServeStatus("127.0.0.1:0")); err != nil {
			t.Fatal(err)
		}
		session := mustLogin(t, s.Units()[0].URL, 1)
		fetch(t, s, "")
		http.DefaultClient.CloseIdleConnections()
		ctx, cancel := context.WithCancel(t.Context())
		if i%2 == 0 {
			cancel()
		}
		if _, err := s.Shutdown(ctx, time.Minute); err != nil {
			t.Fatal(err)
		}
		cancel()
		select {
		case <-session.Done():
		case <-time.After(time.Minute):
			t.Fatal("the session goes on")
		}
	}
	// The last connections to the status page may be about to close still.
	for end := time.Now().Add(time.Minute); descriptors(t) > before+5; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d open files, %d before", descriptors(t), before)
		}
	}
}

// descriptors counts the open files of this process; 0 where the system does not tell.
func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(list)
}

// Many sessions and somebody who looks all the time do not get into each other's way.
func TestManySessionsAreShown(t *testing.T) {
	const sessions = 200
	s := started(t, "arrays: [{profile: plain}]")
	u := s.Units()[0].URL
	looking, stop := context.WithCancel(t.Context())
	looked := make(chan int)
	go func() {
		n := 0
		for looking.Err() == nil {
			s.Status(1 << 20)
			n++
		}
		looked <- n
	}()
	var open []*initiator.Session
	for i := range sessions {
		open = append(open, mustLogin(t, u, uint16(i)))
	}
	for _, session := range open {
		read(t, session, 0)
	}
	stop()
	t.Logf("looked %d times", <-looked)
	status := fetch(t, s, fmt.Sprintf("?sessions=%d", sessions))
	if a := status.Arrays[0]; a.SessionsTotal != sessions || len(a.Sessions) != sessions || a.Counters.Commands != sessions {
		t.Errorf("%d sessions, %d told, %d commands", a.SessionsTotal, len(a.Sessions), a.Counters.Commands)
	}
	if told := len(fetch(t, s, "").Arrays[0].Sessions); told != SessionsTold {
		t.Errorf("%d sessions told where nothing is said", told)
	}
}
