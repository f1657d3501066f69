package reports

import (
	"cmp"
	"fmt"
	"html"
	"slices"
	"strings"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// html draws the ladder as a list: the instant, the lanes with an arrow between them, and what the arrow carries. The lanes are drawn by
// the page's style sheet from two numbers: --n, how many portals there are, and --l, which of them an arrow leads to or comes from.
func (l *ladder) html() string {
	var b strings.Builder
	fmt.Fprintf(&b, `<ol class="ladder" style="--n:%d">`, max(1, len(l.portals)))
	fmt.Fprintf(&b, `<li class="h"><span>seconds</span><span class="w"></span><span>initiator ⇄ %s</span></li>`, html.EscapeString(strings.Join(l.portals, ", ")))
	for _, r := range l.rows {
		l.row(&b, r)
	}
	b.WriteString(`</ol>`)
	return b.String()
}

func (l *ladder) row(b *strings.Builder, r row) {
	fmt.Fprintf(b, `<li class="%s"><time>%.3f</time>`, r.class(), r.at.Seconds())
	if (r.kind == rowOut || r.kind == rowIn) && r.lane > 0 {
		fmt.Fprintf(b, `<span class="w" style="--l:%d"></span>`, r.lane+1)
	} else {
		b.WriteString(`<span class="w"></span>`)
	}
	text := l.markup(r)
	if r.hex == "" {
		fmt.Fprintf(b, `<span>%s</span></li>`, text)
		return
	}
	fmt.Fprintf(b, `<details><summary>%s</summary><code>%s</code></details></li>`, text, words(r.hex))
}

// markup is the row's label with the name of the PDU set off.
func (l *ladder) markup(r row) string {
	label := html.EscapeString(l.label(r))
	if r.hex == "" || r.lost {
		return label
	}
	name, rest := pduName(r.text)
	prefix := strings.TrimSuffix(l.label(r), r.text)
	return html.EscapeString(prefix) + "<b>" + html.EscapeString(name) + "</b>" + html.EscapeString(rest)
}

// pduNames holds the names of all PDUs, longer ones before those that they begin with.
var pduNames = func() []string {
	var names []string
	for op := range pdu.Opcode(64) {
		if op.Known() {
			names = append(names, op.String())
		}
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	return names
}()

// pduName cuts a PDU's one line behind its name.
func pduName(text string) (name, rest string) {
	for _, n := range pduNames {
		if strings.HasPrefix(text, n) {
			return n, text[len(n):]
		}
	}
	return "", text
}

func (r row) class() string {
	var c string
	switch r.kind {
	case rowOut:
		c = "o"
	case rowIn:
		c = "i"
	case rowNote:
		c = "n"
	case rowFault:
		c = "f"
	case rowHealed:
		c = "g"
	case rowFolded:
		c = "z"
	}
	if r.faint {
		c += " q"
	}
	if r.lost {
		c += " x"
	}
	return c
}

// words sets hexadecimal digits in words of four bytes, as the RFC's diagrams have them.
func words(digits string) string {
	var b strings.Builder
	for len(digits) > 8 {
		b.WriteString(digits[:8] + " ")
		digits = digits[8:]
	}
	return b.String() + digits
}
