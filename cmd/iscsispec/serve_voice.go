package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/iscsispec/iscsispec/reports"
	"github.com/iscsispec/iscsispec/simtarget"
	"github.com/iscsispec/iscsispec/simtarget/server"
)

// serveVoice prints what serve has to say: URLs on stdout and sentences on stderr, or objects on stdout. It is safe for concurrent use.
type serveVoice struct {
	mu          sync.Mutex
	out, errOut io.Writer
	json        bool
}

// serveEvent is a line of serve --json. Event says which other fields there are.
type serveEvent struct {
	// Event is listening (array, portal, portal_group_tag, address), unit (array, url), status (url), recording (dir), ready (pid),
	// notice (text), stopping (grace_seconds) or stopped (sessions_cut).
	Event        string   `json:"event"`
	Array        string   `json:"array,omitempty"`
	Portal       string   `json:"portal,omitempty"`
	Tag          *uint16  `json:"portal_group_tag,omitempty"`
	Address      string   `json:"address,omitempty"`
	URL          string   `json:"url,omitempty"`
	Dir          string   `json:"dir,omitempty"`
	PID          int      `json:"pid,omitempty"`
	Text         string   `json:"text,omitempty"`
	GraceSeconds *float64 `json:"grace_seconds,omitempty"`
	SessionsCut  *int     `json:"sessions_cut,omitempty"`
}

// say prints an event: as JSON, or its URL on stdout and its sentence on stderr, either of which may be empty.
func (v *serveVoice) say(e any, line, sentence string, args ...any) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.json {
		text, err := json.Marshal(e)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(v.out, "%s\n", text)
		return err
	}
	if sentence != "" {
		fmt.Fprintf(v.errOut, "iscsispec: "+sentence+"\n", args...)
	}
	if line == "" {
		return nil
	}
	_, err := fmt.Fprintln(v.out, line)
	return err
}

// ready tells that everything listens, and where.
func (v *serveVoice) ready(s *server.Server, r *reports.Recording) error {
	for _, l := range s.Listeners() {
		reach := ""
		if !private(l.Address) {
			reach = "; other machines can reach it"
		}
		if err := v.say(serveEvent{Event: "listening", Array: l.Array, Portal: l.Portal, Tag: &l.Tag, Address: l.Address}, "",
			"listening on %s (%s, portal %s, group %d)%s", l.Address, l.Array, l.Portal, l.Tag, reach); err != nil {
			return err
		}
	}
	for _, u := range s.Units() {
		if err := v.say(serveEvent{Event: "unit", Array: u.Array, URL: u.URL.String()}, u.URL.String(), ""); err != nil {
			return err
		}
	}
	if !v.json {
		for _, p := range s.Profiles() {
			v.describe(p)
		}
	}
	if r != nil {
		dir := r.Status().Dir
		if err := v.say(serveEvent{Event: "recording", Dir: dir}, "", "recording to %s", dir); err != nil {
			return err
		}
	}
	if url := s.StatusURL(); url != "" {
		if err := v.say(serveEvent{Event: "status", URL: url}, "", "status page %s", url); err != nil {
			return err
		}
	}
	return v.say(serveEvent{Event: "ready", PID: os.Getpid()}, "", "ready; an interrupt ends it")
}

func (v *serveVoice) describe(p *simtarget.Profile) {
	v.mu.Lock()
	defer v.mu.Unlock()
	fmt.Fprintf(v.errOut, "iscsispec: serving %s\n", p.Name)
	if p.Description != "" {
		fmt.Fprintln(v.errOut, wrap(p.Description, "  ", 110))
	}
}

// private reports an address of this machine alone.
func private(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	ip, err := netip.ParseAddr(host)
	return err != nil || ip.IsLoopback()
}

// notice tells what has happened meanwhile. Nobody waits for the outcome of a complaint.
func (v *serveVoice) notice(text string) {
	_ = v.say(serveEvent{Event: "notice", Text: text}, "", "%s", text)
}

func (v *serveVoice) stopping(grace time.Duration) {
	seconds := grace.Seconds()
	_ = v.say(serveEvent{Event: "stopping", GraceSeconds: &seconds}, "", "stopping; initiators have %v to log out, another interrupt cuts them off", grace)
}

func (v *serveVoice) stopped(cut int) {
	sentence := "stopped"
	if cut > 0 {
		sentence = fmt.Sprintf("stopped; %d sessions were cut off", cut)
	}
	_ = v.say(serveEvent{Event: "stopped", SessionsCut: &cut}, "", "%s", sentence)
}

func listProfiles(w io.Writer) error {
	width := 0
	for _, name := range simtarget.Builtins() {
		width = max(width, len(name))
	}
	for _, name := range simtarget.Builtins() {
		profile, err := simtarget.Builtin(name)
		if err != nil {
			return &statusError{exitDefect, err}
		}
		text := wrap(profile.Description, strings.Repeat(" ", width+2), 110)
		if _, err := fmt.Fprintf(w, "%-*s  %s\n", width, name, strings.TrimSpace(text)); err != nil {
			return err
		}
	}
	return nil
}

// completeArrays offers the arrays' profiles.
func completeArrays(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	var offers []string
	for _, name := range simtarget.Builtins() {
		if strings.HasPrefix(name, typed) {
			offers = append(offers, name)
		}
	}
	return offers, cobra.ShellCompDirectiveDefault
}
