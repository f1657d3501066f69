package iscsi

import (
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
)

// maxURLLength bounds what ParseURL looks at.
const maxURLLength = 8192

// URL names a portal, and optionally a target, a logical unit and credentials, in libiscsi's grammar:
//
//	iscsi://[user[%password]@]host[:port][/target[/lun]][?argument[&argument...]]
//
// A colon may stand for the percent sign. Arguments are target_user, target_password, header_digest, data_digest
// (crc32c or none) and auth (md5, sha1, sha-256, sha3-256).
type URL struct {
	Portal Address
	// Target is the target's name, "" when the URL names only a portal.
	Target string
	// LUN is the logical unit's number, 0 to 16383; it counts only where HasLUN is set.
	LUN    uint16
	HasLUN bool
	// User and Password are the initiator's CHAP credentials.
	User     string
	Password Secret
	// TargetUser and TargetPassword are what the target has to prove in mutual CHAP.
	TargetUser     string
	TargetPassword Secret
	// HeaderDigest and DataDigest are "CRC32C", "None", or "" where the URL does not say.
	HeaderDigest string
	DataDigest   string
	// Auth is the CHAP algorithm that the URL asks for: "MD5", "SHA1", "SHA-256", "SHA3-256" or "".
	Auth string
}

// URLError says why a text is no URL of ours. It never holds a password.
type URLError struct {
	// URL is the text with everything between the scheme and the last "@", and every password argument, replaced.
	URL string
	// Part names the part at fault: "scheme", "portal", "target", "lun", "argument", "credentials".
	Part string
	// Reason says what was expected and what came.
	Reason string
}

// Error names the redacted text, the part and the reason.
func (e *URLError) Error() string { return fmt.Sprintf("URL %q: %s: %s", e.URL, e.Part, e.Reason) }

// ParseURL reads a URL. Errors are *URLError. The URL goes through no net/url: that package takes the percent sign
// between user and password for an escape.
func ParseURL(raw string) (URL, error) {
	p := urlParser{raw: raw}
	p.parse()
	if p.err != nil {
		return URL{}, p.err
	}
	return p.url, nil
}

type urlParser struct {
	raw string
	url URL
	err error
}

func (p *urlParser) fail(part, format string, args ...any) {
	if p.err == nil {
		p.err = &URLError{URL: redactURL(p.raw), Part: part, Reason: fmt.Sprintf(format, args...)}
	}
}

func (p *urlParser) parse() {
	if len(p.raw) > maxURLLength {
		p.raw = p.raw[:maxURLLength]
		p.fail("length", "expected at most %d bytes", maxURLLength)
		return
	}
	scheme, rest, found := strings.Cut(p.raw, "://")
	switch {
	case !found || scheme != "iscsi" && scheme != "iser":
		p.fail("scheme", `expected "iscsi://"`)
		return
	case scheme == "iser":
		p.fail("scheme", `"iser://" asks for RDMA (iSER), and only TCP is spoken here: use "iscsi://"`)
		return
	}
	rest, arguments, _ := strings.Cut(rest, "?")
	if arguments != "" {
		for argument := range strings.SplitSeq(arguments, "&") {
			p.argument(argument)
		}
	}
	p.path(p.credentials(rest))
}

// quote shows a piece of the URL in a message, unless it may be part of a password that holds "@" or "?" itself.
func (p *urlParser) quote(piece string) string {
	at, mark := strings.LastIndexByte(p.raw, '@'), strings.IndexByte(p.raw, '?')
	if at != strings.IndexByte(p.raw, '@') || mark >= 0 && at > mark {
		return "other text"
	}
	return strconv.Quote(piece)
}

// credentials takes "user[%password]@" off the front. As in libiscsi the first "@" ends it, even behind a slash: in a target's
// name it is written %40.
func (p *urlParser) credentials(rest string) string {
	userinfo, after, found := strings.Cut(rest, "@")
	if !found {
		return rest
	}
	if i := strings.IndexByte(userinfo, '%'); i >= 0 {
		p.url.User, p.url.Password = userinfo[:i], Secret(userinfo[i+1:])
	} else if i := strings.IndexByte(userinfo, ':'); i >= 0 {
		p.url.User, p.url.Password = userinfo[:i], Secret(userinfo[i+1:])
	} else {
		p.url.User = userinfo
	}
	if p.url.User == "" {
		p.fail("credentials", `expected a user name before "@"`)
	}
	return after
}

func (p *urlParser) path(rest string) {
	host, path, hasPath := strings.Cut(rest, "/")
	address, err := ParseAddress(host)
	if err != nil {
		p.fail("portal", "expected host, host:port or [IPv6]:port, got %s", p.quote(host))
		return
	}
	p.url.Portal = address
	if !hasPath || path == "" {
		return
	}
	target, lun, hasLUN := strings.Cut(path, "/")
	name, err := url.PathUnescape(target)
	if err != nil || name == "" {
		p.fail("target", "expected a target name, got %s", p.quote(target))
		return
	}
	p.url.Target = name
	if !hasLUN || lun == "" {
		return
	}
	n, err := strconv.ParseUint(lun, 10, 14)
	if err != nil || lun[0] == '+' {
		p.fail("lun", "expected a number from 0 to 16383, got %s", p.quote(lun))
		return
	}
	p.url.LUN, p.url.HasLUN = uint16(n), true
}

func (p *urlParser) argument(argument string) {
	key, value, _ := strings.Cut(argument, "=")
	switch key {
	case "":
	case "target_user":
		p.url.TargetUser = value
	case "target_password":
		p.url.TargetPassword = Secret(value)
	case "header_digest":
		p.url.HeaderDigest = p.choice(key, value, digestNames)
	case "data_digest":
		p.url.DataDigest = p.choice(key, value, digestNames)
	case "auth":
		p.url.Auth = p.choice(key, value, authNames)
	case "iser":
		p.fail("argument", `"iser" asks for RDMA (iSER), and only TCP is spoken here`)
	case "force_usn":
		p.fail("argument", `"force_usn" selects a unit by serial number, which is not done here: name the LUN in the path`)
	default:
		p.fail("argument", "unknown argument %s: expected target_user, target_password, header_digest, data_digest or auth", p.quote(key))
	}
}

// choices pairs the spelling in a URL with the spelling of the protocol.
type choices [][2]string

var (
	digestNames = choices{{"crc32c", "CRC32C"}, {"none", "None"}}
	authNames   = choices{{"md5", "MD5"}, {"sha1", "SHA1"}, {"sha-256", "SHA-256"}, {"sha3-256", "SHA3-256"}}
)

func (p *urlParser) choice(key, value string, from choices) string {
	known := make([]string, 0, len(from))
	for _, c := range from {
		if strings.EqualFold(value, c[0]) {
			return c[1]
		}
		known = append(known, c[0])
	}
	p.fail("argument", "%s: expected %s, got %s", key, strings.Join(known, " or "), p.quote(value))
	return ""
}

// redactURL makes a text that failed to parse fit for an error message. It does not trust the parser: whatever stands
// before the last "@" and after "password=" goes.
func redactURL(raw string) string {
	head, rest, found := strings.Cut(raw, "://")
	if !found {
		head, rest = "", raw
	} else {
		head += "://"
	}
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		rest = redacted + rest[i:]
	}
	rest, arguments, hasArguments := strings.Cut(rest, "?")
	if !hasArguments {
		return head + rest
	}
	parts := strings.Split(arguments, "&")
	for i, part := range parts {
		if key, _, found := strings.Cut(part, "="); found && strings.Contains(strings.ToLower(key), "pass") {
			parts[i] = key + "=" + redacted
		}
	}
	return head + rest + "?" + strings.Join(parts, "&")
}

// String returns the URL with its passwords redacted. Without passwords it parses back to the same value.
func (u URL) String() string { return u.text(Secret.String) }

// Format redacts under every verb and flag.
func (u URL) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, u.String()) }

// MarshalText writes the redacted form of String.
func (u URL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// Reveal returns the URL with its passwords, for the command line of a child process.
func (u URL) Reveal() string { return u.text(Secret.Reveal) }

func (u URL) text(show func(Secret) string) string {
	var b strings.Builder
	b.WriteString("iscsi://")
	if u.User != "" {
		b.WriteString(u.User)
		// A colon in the name would be taken for the separator, where there is no percent sign.
		if u.Password != "" || strings.Contains(u.User, ":") {
			b.WriteString("%" + show(u.Password))
		}
		b.WriteString("@")
	}
	b.WriteString(u.Portal.String())
	if u.Target != "" {
		b.WriteString("/" + escapeTarget(u.Target))
		if u.HasLUN {
			b.WriteString("/" + strconv.Itoa(int(u.LUN)))
		}
	}
	separator := "?"
	argument := func(key, value string) {
		if value != "" {
			b.WriteString(separator + key + "=" + value)
			separator = "&"
		}
	}
	argument("target_user", u.TargetUser)
	argument("target_password", show(u.TargetPassword))
	argument("header_digest", strings.ToLower(u.HeaderDigest))
	argument("data_digest", strings.ToLower(u.DataDigest))
	argument("auth", strings.ToLower(u.Auth))
	return b.String()
}

// escapeTarget escapes just what would end the name or begin an escape.
func escapeTarget(name string) string {
	return strings.NewReplacer("%", "%25", "/", "%2F", "?", "%3F", "@", "%40").Replace(name)
}
