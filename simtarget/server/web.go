package server

import (
	"embed"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/iscsispec/iscsispec/internal/serving"
)

//go:embed page/index.html page/page.css page/page.js
var page embed.FS

// SessionsTold is how many sessions of each array status.json holds where the request does not say; "?sessions=N" asks for another number.
const SessionsTold = 100

// ServeStatus opens the status page at an address of loopback, "127.0.0.1:0", and serves it until the server ends. What it offers is
// described at Handler. Errors are those of serving.OpenPage.
func (s *Server) ServeStatus(address string) error {
	page, err := serving.OpenPage(address, s.Handler())
	if err != nil {
		return err
	}
	s.mu.Lock()
	served := s.ended || s.status != nil
	if !served {
		s.status = page
	}
	s.mu.Unlock()
	if served {
		return errors.Join(errors.New("server: the status page is served already, or the server has ended"), page.Close())
	}
	return nil
}

// StatusURL is where the status page is, "" when there is none.
func (s *Server) StatusURL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.status == nil {
		return ""
	}
	return s.status.URL()
}

// Handler offers
//
//	GET  /            a page that shows the status and keeps it up to date
//	GET  /status.json the Status; "?sessions=N" asks for up to N sessions of each array
//	POST /control     carries out actions; see Control
//
// By itself it takes requests from anybody: ServeStatus puts it on a serving.Page.
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
			serving.AnswerError(w, http.StatusBadRequest, fmt.Errorf("sessions=%q, want a number", text))
			return
		}
		sessions = n
	}
	serving.Answer(w, http.StatusOK, s.Status(sessions))
}
