package server

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"
)

//go:embed page/index.html page/page.css page/page.js
var page embed.FS

// The bounds of the status page.
const (
	// SessionsTold is how many sessions of each array status.json holds where the request does not say; "?sessions=N" asks for another
	// number.
	SessionsTold = 100
	// statusConnectionsMax bounds the connections to the status page at one time; further ones wait.
	statusConnectionsMax = 32
	// controlBytesMax bounds the body of a control request.
	controlBytesMax = 1 << 20
	// statusClose is how long requests under way have when the page closes.
	statusClose = time.Second
)

// ErrStatusAddress is wrapped by the error of ServeStatus for an address that is not one of loopback.
var ErrStatusAddress = errors.New("the status page is for this machine alone")

// statusPage is the HTTP server.
type statusPage struct {
	http *http.Server
	port string
	host string // of the listener
	done chan struct{}
}

// ServeStatus opens the status page at an address of loopback, "127.0.0.1:0", and serves it until the server ends. What it offers is
// described at Handler.
func (s *Server) ServeStatus(address string) error {
	if err := loopback(address); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return &ListenError{Address: address, Err: err}
	}
	host, port, _ := net.SplitHostPort(listener.Addr().String()) // an address of TCP has both
	p := &statusPage{port: port, host: host, done: make(chan struct{})}
	p.http = &http.Server{
		Handler:           guard{hosts: p.hosts(), next: s.Handler()},
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute,
		MaxHeaderBytes: 16 << 10,
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || s.status != nil {
		_ = listener.Close()
		return errors.New("server: the status page is served already, or the server has ended")
	}
	s.status = p
	go func() {
		defer close(p.done)
		_ = p.http.Serve(newCrowd(listener, statusConnectionsMax)) // ends with the server
	}()
	return nil
}

// loopback reports an address that other machines could reach.
func loopback(address string) error {
	host, _, err := splitAddress(address)
	if err != nil {
		return fmt.Errorf("status address %w", err)
	}
	if ip, err := netip.ParseAddr(host); host == "localhost" || err == nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("%w: %q is no loopback address; want 127.0.0.1, [::1] or localhost, and a port", ErrStatusAddress, host)
}

// StatusURL is where the status page is, "" when there is none.
func (s *Server) StatusURL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.status == nil {
		return ""
	}
	return "http://" + net.JoinHostPort(s.status.host, s.status.port) + "/"
}

// hosts are the values of the Host field by which this machine's own programs call the page.
func (p *statusPage) hosts() []string {
	hosts := []string{net.JoinHostPort("localhost", p.port), net.JoinHostPort("127.0.0.1", p.port), net.JoinHostPort("::1", p.port),
		net.JoinHostPort(p.host, p.port)}
	if p.port == "80" {
		hosts = append(hosts, "localhost", "127.0.0.1", "[::1]")
	}
	return hosts
}

func (p *statusPage) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), statusClose)
	defer cancel()
	err := p.http.Shutdown(ctx)
	if err != nil {
		err = p.http.Close()
	}
	<-p.done
	return err
}

// Handler offers
//
//	GET  /            a page that shows the status and keeps it up to date
//	GET  /status.json the Status; "?sessions=N" asks for up to N sessions of each array
//	POST /control     carries out actions; see Control
//
// By itself it takes requests from anybody: ServeStatus puts it on loopback and behind a guard that refuses requests which a foreign page
// in a browser has sent.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	for path, file := range map[string]struct{ name, kind string }{
		"GET /{$}":      {"page/index.html", "text/html; charset=utf-8"},
		"GET /page.css": {"page/page.css", "text/css; charset=utf-8"},
		"GET /page.js":  {"page/page.js", "text/javascript; charset=utf-8"},
	} {
		text, err := page.ReadFile(file.name)
		if err != nil {
			panic(fmt.Sprintf("server: %s is not part of the program: %v", file.name, err))
		}
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", file.kind)
			_, _ = w.Write(text) // who asked may have gone
		})
	}
	mux.HandleFunc("GET /status.json", s.serveStatus)
	mux.HandleFunc("POST /control", s.serveControl)
	return mux
}

func (s *Server) serveStatus(w http.ResponseWriter, r *http.Request) {
	sessions := SessionsTold
	if text := r.URL.Query().Get("sessions"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			answerError(w, http.StatusBadRequest, fmt.Errorf("sessions=%q, want a number", text))
			return
		}
		sessions = n
	}
	answer(w, http.StatusOK, s.Status(sessions))
}

// answer writes JSON.
func answer(w http.ResponseWriter, status int, value any) {
	text, err := json.MarshalIndent(value, "", " ")
	if err != nil {
		panic(fmt.Sprintf("server: %T cannot be written as JSON: %v", value, err))
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // who asked may have gone
}

func answerError(w http.ResponseWriter, status int, err error) {
	answer(w, status, Answer{Error: err.Error()})
}
