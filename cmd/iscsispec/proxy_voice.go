package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/iscsispec/iscsispec/faults"
	"github.com/iscsispec/iscsispec/faults/proxy"
	"github.com/iscsispec/iscsispec/reports"
)

// proxyVoice prints what proxy has to say, in the manner of serve.
type proxyVoice struct{ serveVoice }

// proxyEvent is a line of proxy --json. Event says which other fields there are.
type proxyEvent struct {
	// Event is portal (array, address, url), status (url), recording (dir), ready (pid), notice (text), stopping, fault (fault, fired, bites)
	// or stopped (connections, refused, unreached, unfired).
	Event       string  `json:"event"`
	Array       string  `json:"array,omitempty"`
	Address     string  `json:"address,omitempty"`
	URL         string  `json:"url,omitempty"`
	Dir         string  `json:"dir,omitempty"`
	PID         int     `json:"pid,omitempty"`
	Text        string  `json:"text,omitempty"`
	Fault       string  `json:"fault,omitempty"`
	Fired       *int    `json:"fired,omitempty"`
	Bites       *int    `json:"bites,omitempty"`
	Connections *uint64 `json:"connections,omitempty"`
	Refused     *uint64 `json:"refused,omitempty"`
	Unreached   *uint64 `json:"unreached,omitempty"`
	Unfired     *int    `json:"unfired,omitempty"`
}

// ready tells that every portal listens, and where.
func (v *proxyVoice) ready(p *proxy.Proxy, r *reports.Recording) error {
	for _, portal := range p.Portals() {
		reach := ""
		if !private(portal.Address) {
			reach = "; other machines can reach it"
		}
		url := "iscsi://" + portal.Address
		if err := v.say(proxyEvent{Event: "portal", Array: portal.Array, Address: portal.Address, URL: url}, url,
			"%s stands for %s%s", portal.Address, portal.Array, reach); err != nil {
			return err
		}
	}
	if r != nil {
		dir := r.Status().Dir
		if err := v.say(proxyEvent{Event: "recording", Dir: dir}, "", "recording to %s", dir); err != nil {
			return err
		}
	}
	if url := p.StatusURL(); url != "" {
		if err := v.say(proxyEvent{Event: "status", URL: url}, "", "status and control at %s", url); err != nil {
			return err
		}
	}
	return v.say(proxyEvent{Event: "ready", PID: os.Getpid()}, "", "ready; an interrupt ends it")
}

func (v *proxyVoice) notice(text string) {
	_ = v.say(proxyEvent{Event: "notice", Text: text}, "", "%s", text)
}

func (v *proxyVoice) stopping() {
	_ = v.say(proxyEvent{Event: "stopping"}, "", "stopping; another interrupt cuts connections off")
}

// stopped tells how often each fault has fired, and returns how many never did.
func (v *proxyVoice) stopped(counts []faults.Count, n proxy.Counters) (unfired int) {
	for _, c := range counts {
		verdict := fmt.Sprintf("fired %d times", c.Fired)
		switch c.Fired {
		case 0:
			verdict = "NEVER FIRED"
			unfired++
		case 1:
			verdict = "fired once"
		}
		if c.Bites > 0 {
			verdict += fmt.Sprintf(", met by %d connections", c.Bites)
		}
		text := c.Fault.String()
		_ = v.say(proxyEvent{Event: "fault", Fault: text, Fired: &c.Fired, Bites: &c.Bites}, "", "%s: %s", text, verdict)
	}
	sentence := fmt.Sprintf("stopped after %d connections, of which %d were refused and %d did not reach the array", n.Connections, n.Refused, n.Unreached)
	if unfired > 0 {
		sentence += fmt.Sprintf("; %d of %d faults never fired: nothing was shown about them", unfired, len(counts))
	}
	_ = v.say(proxyEvent{Event: "stopped", Connections: &n.Connections, Refused: &n.Refused, Unreached: &n.Unreached, Unfired: &unfired}, "", "%s", sentence)
	return unfired
}

// listFaults prints the words of which faults are made.
func listFaults(w io.Writer) error {
	var verbs []string
	for _, verb := range faults.Verbs() {
		verbs = append(verbs, string(verb))
	}
	_, err := fmt.Fprintf(w, "verbs: %s\npdu: %s, any\nif: %s\n",
		strings.Join(verbs, ", "), strings.Join(faults.PDUNames(), ", "), strings.Join(faults.PredicateFields(), ", "))
	return err
}
