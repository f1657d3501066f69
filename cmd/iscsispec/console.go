package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/term"

	"github.com/iscsispec/iscsispec/scenarios"
)

// console writes lines and, on a terminal, one status line under them. It is safe for concurrent use.
type console struct {
	mu     sync.Mutex
	w      io.Writer
	colour bool
	live   bool
	width  int
	status string
}

// newConsole finds out what w can do. The choice is the --color flag's.
func newConsole(w io.Writer, choice string) *console {
	c := &console{w: w, width: 100}
	dumb := os.Getenv("TERM") == "dumb"
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		c.live = !dumb
		c.colour = !dumb && os.Getenv("NO_COLOR") == ""
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 20 {
			c.width = width
		}
	}
	if force := os.Getenv("FORCE_COLOR"); force != "" && force != "0" && os.Getenv("NO_COLOR") == "" {
		c.colour = true
	}
	switch choice {
	case "always":
		c.colour = true
	case "never":
		c.colour = false
	}
	return c
}

// The six SGR codes that the console knows.
const (
	sgrBold   = "1"
	sgrDim    = "2"
	sgrRed    = "31"
	sgrGreen  = "32"
	sgrYellow = "33"
	sgrPurple = "35"
)

// paint wraps a text in an SGR code where colours are on.
func (c *console) paint(code, text string) string {
	if !c.colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// verdict is a sign and a word, so that colour is never needed to tell.
func (c *console) verdict(r *scenarios.Result) string {
	word, sign, code := r.Verdict.String(), r.Verdict.Sign(), sgrGreen
	switch r.Verdict {
	case scenarios.Pass:
	case scenarios.Fail:
		word, code = "FAIL", sgrRed
	case scenarios.Broken:
		word, code = "BROKEN", sgrRed
	case scenarios.Warn:
		code = sgrYellow
	case scenarios.Skip:
		code = sgrDim
	case scenarios.Inconclusive:
		word, code = "unclear", sgrPurple
	}
	switch r.Standing {
	case scenarios.Known:
		word, code = "known", sgrYellow
	case scenarios.Fixed:
		word, sign, code = "FIXED", "x", sgrRed
	case scenarios.Differs:
		word, code = "DIFFERS", sgrRed
	}
	return c.paint(code, fmt.Sprintf("%s %-7s", sign, word))
}

// line writes a whole line, or several, above the status line.
func (c *console) line(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wipe()
	fmt.Fprintf(c.w, format+"\n", args...)
	c.draw()
}

// setStatus replaces the status line. It does nothing where the writer is no terminal.
func (c *console) setStatus(text string) {
	if !c.live {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wipe()
	if len(text) > c.width-1 {
		text = text[:c.width-1]
	}
	c.status = text
	c.draw()
}

func (c *console) wipe() {
	if c.status != "" {
		fmt.Fprint(c.w, "\r\x1b[K")
	}
}

func (c *console) draw() {
	if c.status != "" {
		fmt.Fprint(c.w, c.status)
	}
}

// wrap breaks a text into lines of at most width bytes where words allow, each behind the indent.
func wrap(text, indent string, width int) string {
	var b strings.Builder
	column := 0
	for _, word := range strings.Fields(text) {
		switch {
		case column == 0:
			b.WriteString(indent)
			column = len(indent)
		case column+1+len(word) > width:
			b.WriteString("\n" + indent)
			column = len(indent)
		default:
			b.WriteString(" ")
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
}
