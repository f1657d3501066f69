package serving

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// guard refuses what a browser was talked into by a page from elsewhere. The Host field has to name loopback, so that a foreign name which
// was made to resolve to loopback gets nothing; a request that says where it comes from has to come from the page itself; and what changes
// something has to carry a content type that no form can send.
type guard struct {
	hosts []string
	next  http.Handler
}

// ServeHTTP lets a request through, or answers 403.
func (g guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy",
		"default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	if err := g.check(r); err != nil {
		AnswerError(w, http.StatusForbidden, err)
		return
	}
	g.next.ServeHTTP(w, r)
}

func (g guard) check(r *http.Request) error {
	if !slices.Contains(g.hosts, strings.ToLower(r.Host)) {
		return fmt.Errorf("the request is for host %q, want %q", r.Host, g.hosts[0])
	}
	if origin, sent := r.Header["Origin"]; sent {
		if len(origin) != 1 || !slices.Contains(g.hosts, strings.TrimPrefix(strings.ToLower(origin[0]), "http://")) ||
			!strings.HasPrefix(origin[0], "http://") {
			return fmt.Errorf("the request comes from %q, want the page itself", origin)
		}
	}
	if site := r.Header.Get("Sec-Fetch-Site"); r.Method != http.MethodGet && site != "" && site != "same-origin" && site != "none" {
		return fmt.Errorf("the request comes from another site (%s)", site)
	}
	return nil
}

// crowd is a listener with a limit of connections at one time.
type crowd struct {
	net.Listener
	places chan struct{}
	done   chan struct{}
	once   sync.Once
}

func newCrowd(l net.Listener, most int) *crowd {
	return &crowd{Listener: l, places: make(chan struct{}, most), done: make(chan struct{})}
}

// Accept waits for a place before it takes a connection.
func (c *crowd) Accept() (net.Conn, error) {
	select {
	case c.places <- struct{}{}:
	case <-c.done:
		return nil, net.ErrClosed
	}
	conn, err := c.Listener.Accept()
	if err != nil {
		<-c.places
		return nil, err
	}
	return &guest{Conn: conn, leave: sync.OnceFunc(func() { <-c.places })}, nil
}

// Close ends the listener and whoever waits in Accept.
func (c *crowd) Close() error {
	c.once.Do(func() { close(c.done) })
	return c.Listener.Close()
}

// guest is a connection that gives its place back.
type guest struct {
	net.Conn
	leave func()
}

// Close closes the connection and gives its place back.
func (g *guest) Close() error {
	err := g.Conn.Close()
	g.leave()
	return err
}
