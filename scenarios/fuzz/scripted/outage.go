package scripted

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/scenarios/fuzz"
)

// hopsMax is the greatest number of redirects that are followed in a row (row redirect.loop-bounded).
const hopsMax = 32

// outages follows the attempts of the one session of a run: where each begins and when, and where redirects lead (contract C2, C3 and C5 of
// the catalogue).
type outages struct {
	j         *judge
	attempts  int
	start     time.Duration // of the latest attempt
	other     time.Duration // the same, where a dial may have been the next attempt as well as the following of a redirect
	over      time.Duration // when it failed; 0 while it has not
	loggedIn  bool          // the first login has succeeded
	up        bool
	lostAt    time.Duration
	wait      time.Duration // an Async Message's Time2Wait
	waitKnown bool
	agreedFor time.Duration // the negotiated one

	hops      int
	pending   []string // where the latest redirect may lead, in order
	rule      string   // of that redirect
	step      int
	must      bool     // it has to be followed
	followed  bool     // one of the pending addresses was dialled
	permanent bool     // all redirects of this attempt so far were permanent, and it began at the configured portal
	home      bool     // this attempt began at the configured portal
	led       string   // where the unbroken run of them has led; "" for nowhere
	moved     string   // the portal that permanent redirects have led to
	tries     int      // attempts since the loss
	blamed    reaction // what the latest attempt may have failed of
	status    uint16
}

// dialled takes a dial in: of the attempt that goes on, or of the next one.
func (o *outages) dialled(r *record) {
	if i := o.candidate(r.address); i >= 0 && r.at <= o.over+promptly {
		if r.at >= o.start+interval-exactly { // or it is the next attempt
			o.other = r.at
		}
		if o.permanent {
			o.led = r.address
		}
		o.pending = o.pending[i+1:]
		o.followed = true
		o.over, o.blamed = 0, 0
		if r.conn == 0 {
			o.blamed = unmet | givesUp
			o.over = r.at + latency
			if _, _, silent := portalOf(r.address); silent {
				o.over = r.at + loginTimeout
			}
		}
		o.j.cover("redirect", "followed")
		return
	}
	o.notFollowed()
	if o.attempts > 0 {
		o.anew(r)
	}
	o.attempts++
	o.start, o.other, o.over, o.hops, o.pending, o.must, o.blamed, o.status = r.at, r.at, 0, 0, nil, false, 0, 0
	o.home, o.permanent, o.led = r.address == portalA, true, ""
}

// candidate is the place of an address among those that the latest redirect leads to, -1 where it is none, or where the attempt is over.
func (o *outages) candidate(address string) int { return slices.Index(o.pending, address) }

// notFollowed is for a redirect that nobody followed although it has to be.
func (o *outages) notFollowed() {
	if o.must && !o.followed {
		o.j.add(o.rule, o.step, fuzz.Outcome{Kind: Gave, Detail: "the redirect"}, prefixed("a dial of ", o.pending)...)
	}
	o.must = false
}

// anew judges the beginning of an attempt that is not the first.
func (o *outages) anew(r *record) {
	switch {
	case o.hops > hopsMax:
		o.j.add("redirect.loop-bounded", o.step, fuzz.Outcome{Kind: Called, Detail: r.address}, fmt.Sprintf("at most %d redirects in a row", hopsMax))
		return
	case !o.loggedIn:
		o.j.add("reconnect.first-login-failure-not-persistent", o.step, fuzz.Outcome{Kind: Called, Detail: r.address}, "no further attempt")
		return
	case o.up:
		o.j.add("reconnect.stops-on-success", o.step, fuzz.Outcome{Kind: Called, Detail: r.address}, "no dial while the session is up")
		return
	}
	if o.tries > 0 {
		o.checkBlame(r.err)
	}
	floor, rule := o.over, "reconnect.cadence.five-seconds"
	if o.tries == 0 {
		floor, rule = o.lostAt+o.waiting(), "reconnect.first-attempt.honours-time2wait"
	}
	due := max(o.start+interval, floor)
	if !near(r.at, due) && !near(r.at, max(o.other+interval, floor)) {
		o.j.add(rule, o.step, fuzz.Outcome{Kind: Called, Detail: fmt.Sprintf("%s at %v", r.address, r.at)}, fmt.Sprintf("the next attempt at %v", due))
	}
	o.where(r)
	o.tries++
	o.j.cover("reconnect", "attempted")
}

// near reports whether an instant is the one that was due.
func near(at, due time.Duration) bool { return at >= due-exactly && at <= due+exactly }

// waiting is the Time2Wait in force.
func (o *outages) waiting() time.Duration {
	if o.waitKnown {
		return o.wait
	}
	return o.agreedFor
}

// where judges at which portal an attempt begins.
func (o *outages) where(r *record) {
	want := []string{portalA}
	if o.moved != "" && o.moved != portalA {
		want = []string{o.moved, portalA}
		want = want[o.tries%2:][:1] // in turns
	}
	if !slices.Contains(want, r.address) {
		rule := "redirect.temporary.not-sticky"
		if o.moved != "" {
			rule = "redirect.permanent.remembered"
		}
		o.j.add(rule, o.step, fuzz.Outcome{Kind: Called, Detail: r.address}, prefixed("a dial of ", want)...)
	}
}

// loginFailed takes in that a login has ended on a connection without full feature phase.
func (o *outages) loginFailed(m *model, at time.Duration) {
	o.over, o.step = at, m.step
	if m.failed&follows == 0 {
		o.blamed, o.status = m.failed, m.status
		if o.followed && len(o.pending) == 0 {
			o.must = false
		}
		return
	}
	o.blamed, o.status = m.failed&^follows, m.status
}

// failed notes that the attempt under way has come to nothing.
func (o *outages) lost(m *model, at time.Duration) {
	if m.failed != 0 && !m.full {
		o.blamed, o.status, o.over, o.step = m.failed, m.status, at, m.step
	}
	if !o.up && !m.full && o.loggedIn {
		return
	}
	o.up, o.lostAt, o.tries, o.step = false, at, 0, m.step
}

// loginOver judges how the login operation ended.
func (o *outages) loginOver(r *record) {
	if r.err == nil {
		o.loggedIn = true
		o.entered()
		return
	}
	o.notFollowed()
	o.checkBlame(r.err)
}

// entered notes that the session is up.
func (o *outages) entered() {
	if len(o.j.logins) == 0 {
		return
	}
	m := o.j.logins[len(o.j.logins)-1]
	if m.left && m.full || m.dead {
		m.full = true
	}
	o.succeeded(m)
}

// succeeded takes in a login that has led to full feature phase.
func (o *outages) succeeded(m *model) {
	if !m.final && m.allowed&enters == 0 {
		m.fault(m.rule, fuzz.Outcome{Kind: Entered}, m.allowed.names()...)
		return
	}
	if m.noted {
		return
	}
	m.noted = true
	m.enter()
	o.up, o.waitKnown, o.must = !m.left && !m.dead, false, false
	seconds, _ := numberOf(m.results("DefaultTime2Wait")[0])
	o.agreedFor = time.Duration(seconds) * time.Second
	switch {
	case o.led != "":
		o.moved = o.led
	case o.home:
		o.moved = ""
	}
}

// checkBlame holds the error of a failed attempt against what it may have failed of.
func (o *outages) checkBlame(err error) {
	is, status := blame(err)
	if o.blamed == 0 || err == nil {
		return
	}
	if is&o.blamed == 0 || is == takesNo && uint16(status) != o.status {
		o.j.add("login.status.no-go-on", o.step, fuzz.Outcome{Kind: Blamed, Detail: err.Error()}, o.blamed.names()...)
	}
}

// redirected decides what may follow a redirect that came on a connection.
func (o *outages) redirected(m *model, rule string, bad reaction) {
	readable, all := true, []string(nil)
	for _, value := range m.to {
		address, ok, tagged := dialOf(value)
		switch {
		case !ok:
			readable = false
		case tagged:
			bad |= astray
		}
		if ok {
			all = append(all, address)
		}
	}
	allowed := follows
	switch {
	case len(m.to) == 0:
		allowed, rule = astray, "redirect.address.missing"
	case !readable && len(all) == 0:
		allowed, rule = astray, "redirect.address.malformed"
	case !readable:
		allowed |= astray
	}
	if o.hops >= hopsMax {
		allowed, rule = astray, "redirect.loop-bounded"
	}
	o.hops++
	o.pending, o.followed, o.rule, o.step = nil, false, rule, m.step
	if allowed&follows != 0 {
		o.pending = all
	}
	o.must = allowed|bad == follows
	o.permanent = o.permanent && iscsi.Status(m.status) == iscsi.StatusMovedPermanently
	m.decide(rule, allowed|bad)
}

// finish looks at the last attempt.
func (o *outages) finish() {
	for _, m := range o.j.logins {
		m.tick(o.j.p.end)
	}
	o.notFollowed()
}

// dialOf is the address to dial for a value of TargetAddress, as RFC 7143, Section 13.8 writes it: host or host:port, IPv6 in brackets. tagged
// tells that a portal group tag follows, which has no place in a redirect.
func dialOf(value string) (address string, ok, tagged bool) {
	value, tag, tagged := strings.Cut(value, ",")
	if tagged {
		if n, isNumber := numberOf(tag); !isNumber || n > 65535 {
			return "", false, true
		}
	}
	host, port := value, "3260"
	if rest, is := strings.CutPrefix(value, "["); is {
		inner, after, closed := strings.Cut(rest, "]")
		if a, err := netip.ParseAddr(inner); !closed || err != nil || !a.Is6() {
			return "", false, tagged
		}
		host = "[" + inner + "]"
		if after != "" && after[0] != ':' {
			return "", false, tagged
		} else if after != "" {
			port = after[1:]
		}
	} else if h, p, has := strings.Cut(value, ":"); has {
		host, port = h, p
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 || !hostName(host) {
		return "", false, tagged
	}
	return fmt.Sprintf("%s:%d", host, n), true, tagged
}

// hostName reports whether a host can be one: an address, or a name of letters, digits, hyphens, dots and low lines.
func hostName(host string) bool {
	if host == "" || len(host) > 255 || host[0] == '[' {
		return host != "" && host[0] == '['
	}
	if strings.Trim(host, "0123456789.") == "" {
		a, err := netip.ParseAddr(host)
		return err == nil && a.Is4()
	}
	for _, c := range []byte(host) {
		if letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9'; !letter && c != '-' && c != '.' && c != '_' {
			return false
		}
	}
	return true
}
