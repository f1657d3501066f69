package serving

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"time"
)

// The bounds of a page.
const (
	// connectionsMax bounds the connections to a page at one time; further ones wait.
	connectionsMax = 32
	// bodyMax bounds the body of a request, in bytes.
	bodyMax = 1 << 20
	// closeTime is how long requests under way have when a page closes.
	closeTime = time.Second
)

// Page is an HTTP server on loopback. It lets nobody in whom a foreign page in a browser has sent: the host has to be one of loopback with
// the right port, a request that says where it comes from has to come from the page itself, and Body takes only content types that no form
// can send.
type Page struct {
	http *http.Server
	port string
	host string // of the listener
	done chan struct{}
}

// OpenPage serves a handler at an address of loopback, such as "127.0.0.1:0", until Close. Errors wrap ErrNotLoopback or are *ListenError.
func OpenPage(address string, handler http.Handler) (*Page, error) {
	if err := CheckLoopback(address); err != nil {
		return nil, err
	}
	listener, err := Listen(address)
	if err != nil {
		return nil, err
	}
	host, port, _ := net.SplitHostPort(listener.Addr().String()) // an address of TCP has both
	p := &Page{port: port, host: host, done: make(chan struct{})}
	p.http = &http.Server{
		Handler:           guard{hosts: p.hosts(), next: handler},
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute,
		MaxHeaderBytes: 16 << 10,
	}
	go func() {
		defer close(p.done)
		_ = p.http.Serve(newCrowd(listener, connectionsMax)) // ends with Close
	}()
	return p, nil
}

// URL is where the page is.
func (p *Page) URL() string { return "http://" + net.JoinHostPort(p.host, p.port) + "/" }

// hosts are the values of the Host field by which this machine's own programs call the page.
func (p *Page) hosts() []string {
	hosts := []string{net.JoinHostPort("localhost", p.port), net.JoinHostPort("127.0.0.1", p.port), net.JoinHostPort("::1", p.port),
		net.JoinHostPort(p.host, p.port)}
	if p.port == "80" {
		hosts = append(hosts, "localhost", "127.0.0.1", "[::1]")
	}
	return hosts
}

// Close ends the page. Requests under way have a second.
func (p *Page) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	err := p.http.Shutdown(ctx)
	if err != nil {
		err = p.http.Close()
	}
	<-p.done
	return err
}

// Body reads the body of a request that changes something. It takes at most a MiB, of the types application/json and application/yaml, and
// answers the request itself where it reports false.
func Body(w http.ResponseWriter, r *http.Request) (text []byte, ok bool) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" && kind != "application/yaml" {
		AnswerError(w, http.StatusUnsupportedMediaType, fmt.Errorf("content type %q, want application/json or application/yaml", kind))
		return nil, false
	}
	text, err = io.ReadAll(http.MaxBytesReader(w, r.Body, bodyMax))
	if err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			err = fmt.Errorf("a body of more than %d bytes", large.Limit)
		}
		AnswerError(w, http.StatusRequestEntityTooLarge, fmt.Errorf("the body is too large or cut short: %w", err))
		return nil, false
	}
	return text, true
}

// Answer writes a value as JSON. It panics for a value that JSON cannot hold.
func Answer(w http.ResponseWriter, status int, value any) {
	text, err := json.MarshalIndent(value, "", " ")
	if err != nil {
		panic(fmt.Sprintf("serving: %T cannot be written as JSON: %v", value, err))
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // who asked may have gone
}

// Outcome is what a request that changes something, and any request that fails, is answered with.
type Outcome struct {
	// Done counts the actions that were carried out.
	Done int `json:"done"`
	// Error says why the next one was not, or what was wrong with the request; empty when all is well.
	Error string `json:"error,omitempty"`
}

// AnswerError writes the Outcome of a request that has done nothing.
func AnswerError(w http.ResponseWriter, status int, err error) {
	Answer(w, status, Outcome{Error: err.Error()})
}
