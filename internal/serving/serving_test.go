package serving

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/iscsispec/iscsispec/internal/leaks"
)

func TestMain(m *testing.M) { leaks.Main(m) }

func TestAddresses(t *testing.T) {
	for address, want := range map[string]string{
		"127.0.0.1:0": "", "[::1]:3260": "", ":0": "", "::1": "[::1]:3260", "here": "want HOST:PORT", "a:b": "port from 0", "a:70000": "port from 0",
	} {
		if _, _, err := SplitAddress(address); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", address, err, want)
		}
	}
	for address, local := range map[string]bool{"127.0.0.1:0": true, "127.9.9.9:1": true, "[::1]:0": true, "localhost:0": true, ":0": false, "0.0.0.0:0": false, "example.com:80": false} {
		if err := CheckLoopback(address); (err == nil) != local || err != nil && !errors.Is(err, ErrNotLoopback) {
			t.Errorf("%s: %v", address, err)
		}
	}
	taken, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	var listen *ListenError
	if _, err := Listen(taken.Addr().String()); !errors.As(err, &listen) || !strings.Contains(err.Error(), "in use") {
		t.Errorf("error %v", err)
	}
}

// A page answers this machine's own programs, takes bodies in their bounds, and refuses whom a page from elsewhere has sent.
func TestPage(t *testing.T) {
	page, err := OpenPage("127.0.0.1:0", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if text, ok := Body(w, r); ok {
			Answer(w, http.StatusOK, Outcome{Done: len(text)})
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer page.Close()
	defer http.DefaultClient.CloseIdleConnections()
	_, port, _ := net.SplitHostPort(strings.TrimSuffix(strings.TrimPrefix(page.URL(), "http://"), "/"))
	for name, c := range map[string]struct {
		body, field, value string
		code               int
		answer             string
	}{
		"as it should be":     {`{}`, "", "", 200, `"done": 2`},
		"the page itself":     {`{}`, "Origin", "http://localhost:" + port, 200, `"done": 2`},
		"a form":              {`{}`, "Content-Type", "application/x-www-form-urlencoded", 415, "content type"},
		"too long":            {strings.Repeat(" ", bodyMax+1), "", "", 413, "bytes"},
		"a page of elsewhere": {`{}`, "Origin", "http://evil.example", 403, "comes from"},
		"a rebound name":      {`{}`, "Host", "evil.example:" + port, 403, "host"},
		"another site":        {`{}`, "Sec-Fetch-Site", "cross-site", 403, "another site"},
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, page.URL(), strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/json")
		if c.field == "Host" {
			request.Host = c.value
		} else if c.field != "" {
			request.Header.Set(c.field, c.value)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode != c.code || !strings.Contains(string(text), c.answer) {
			t.Errorf("%s: %d %s, want %d %s", name, response.StatusCode, text, c.code, c.answer)
		}
	}
}

// A port that is held refuses connections, is given to nobody who asks for any, and can be listened on by who knows it.
func TestAPortIsHeld(t *testing.T) {
	hold, err := HoldLoopback()
	if err != nil {
		t.Fatal(err)
	}
	address := hold.Address().String()
	for range 3 {
		if c, err := net.Dial("tcp", address); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("%v, %v", c, err)
		}
	}
	listener, err := Listen(address)
	if err != nil {
		t.Fatal(err)
	}
	hold.Release()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	var taken *ListenError
	if _, err := HoldPort(hold.Address()); !errors.As(err, &taken) {
		t.Errorf("a port that somebody listens on is held: %v", err)
	}
	listener.Close()
	var none *PortHold
	none.Release()
}
