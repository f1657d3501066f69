package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/scenarios"
)

// replay makes the line that runs one check again as this run did. Where the check is of a target or
// an initiator that the command line names, the verb's own arguments stand in it, with secrets taken out.
func (p *program) replay(o *checkOptions) func(e scenarios.Entry) string {
	return func(e scenarios.Entry) string {
		words := []string{"iscsispec", "check", e.Suite}
		if e.Suite == "target" {
			words = append(words, p.peerArgs()...)
		}
		words = append(words, "--only", e.ID, "--seed", fmt.Sprint(o.seed))
		if o.strict {
			words = append(words, "--strict")
		}
		if o.allow != scenarios.Safe.String() {
			words = append(words, "--allow", o.allow)
		}
		if e.Suite == "initiator" {
			words = append(words, p.commandArgs()...)
		}
		return strings.Join(words, " ")
	}
}

// commandArgs are --has and the command behind "--" that name the judged initiator; none for the project's own.
func (p *program) commandArgs() []string {
	args := p.safeArgs()
	dash := slices.Index(args, "--")
	if dash < 0 {
		return nil
	}
	var kept []string
	for i, arg := range args[:dash] {
		switch {
		case arg == "--has":
			kept = append(kept, arg, args[i+1])
		case strings.HasPrefix(arg, "--has="):
			kept = append(kept, arg)
		}
	}
	for _, arg := range args[dash:] {
		kept = append(kept, quoted(arg))
	}
	return kept
}

// quoted is a word as a shell takes it for one.
func quoted(word string) string {
	plain := func(r rune) bool {
		return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("-_./:=@%+{}", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// replayed are the flags, all with a value, that a check of a target outside has to be given again.
var replayed = []string{"--peer", "--profile", "--initiator", "--patience", "--sessions", "--abilities", "--ability", flagHook}

// flagHook is the flag whose value is a command, which may hold secrets: of it only the hook's name is told.
const flagHook = "--hook"

// peerArgs are the arguments that name the judged target, and how it is to be met.
func (p *program) peerArgs() []string {
	var kept []string
	args := p.safeArgs()
	for i := 0; i < len(args); i++ {
		name, _, joined := strings.Cut(args[i], "=")
		switch {
		case slices.Contains(replayed, name) && joined:
			kept = append(kept, quoted(args[i]))
		case slices.Contains(replayed, name) && i+1 < len(args):
			kept = append(kept, args[i], quoted(args[i+1]))
			i++
		case strings.Contains(args[i], "://"):
			kept = append(kept, "'"+args[i]+"'")
		}
	}
	return kept
}

// safeArgs is the command line with every URL redacted, and with no hook's command.
func (p *program) safeArgs() []string {
	safe := make([]string, len(p.args))
	for i, arg := range p.args {
		switch name, hook, joined := strings.Cut(arg, "="); {
		case i > 0 && p.args[i-1] == flagHook:
			safe[i] = name + "=..."
		case name == flagHook && joined:
			hook, _, _ = strings.Cut(hook, "=")
			safe[i] = name + "=" + hook + "=..."
		case strings.Contains(arg, "://"):
			safe[i] = redacted(arg)
		default:
			safe[i] = arg
		}
	}
	return safe
}

// redacted prints a URL without its secrets, whether or not it can be read.
func redacted(raw string) string {
	u, err := iscsi.ParseURL(raw)
	if err == nil {
		return u.String()
	}
	var bad *iscsi.URLError
	if errors.As(err, &bad) {
		return bad.URL
	}
	return "iscsi://..."
}
