package fuzz

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ParseError tells what is wrong with the text of a flow.
type ParseError struct {
	// Step counts the steps from 1; 0 is the head.
	Step int
	// Got is the word at fault, cut short; Want is what was expected.
	Got, Want string
}

// Error names the place, what came and what was wanted.
func (e *ParseError) Error() string {
	place := "the head of the flow"
	if e.Step > 0 {
		place = fmt.Sprintf("step %d of the flow", e.Step)
	}
	return fmt.Sprintf("%s: got %.80q, want %s", place, e.Got, e.Want)
}

// separator is between the head and the steps.
const separator = "; "

// String is the flow's one text form, a single line of printable ASCII without quotes, which Parse reads back to an equal flow:
//
//	target chap; 1 login nsg=1 T +InitiatorName={i1} +TargetName={target} +AuthMethod=CHAP; 1 walk; 1 command
func (f Flow) String() string {
	var b strings.Builder
	b.WriteString(string(f.Role))
	b.WriteByte(' ')
	b.WriteString(f.Setup)
	for i := range f.Steps {
		b.WriteString(separator)
		f.Steps[i].write(&b)
	}
	return b.String()
}

// String is the step as it stands in the flow's line.
func (s Step) String() string {
	var b strings.Builder
	s.write(&b)
	return b.String()
}

func (s *Step) write(b *strings.Builder) {
	fmt.Fprintf(b, "%d %s", s.Conn, s.Verb)
	flag := func(set bool, word string) {
		if set {
			b.WriteString(" " + word)
		}
	}
	number := func(name string, value uint64) {
		if value != 0 {
			fmt.Fprintf(b, " %s=%d", name, value)
		}
	}
	for _, n := range s.numbers() {
		number(n.name, n.get())
	}
	flag(s.Transit, "T")
	flag(s.Continue, "C")
	flag(s.TSIH != "", "tsih="+s.TSIH)
	if s.Status != 0 {
		fmt.Fprintf(b, " status=0x%04x", s.Status)
	}
	flag(s.Form != FormPlain, string(s.Form))
	flag(s.Cut != Cut{}, "cut="+s.Cut.String())
	flag(s.For != 0, "for="+s.For.String())
	for _, p := range s.Pairs {
		b.WriteString(" +" + p.Key)
		if !p.Bare {
			b.WriteString("=" + p.Value)
		}
	}
}

// number is a field of a step that is written as a plain number.
type number struct {
	name string
	bits int
	get  func() uint64
	set  func(uint64)
}

func field[T ~uint8 | ~uint16 | ~uint32](name string, bits int, at *T) number {
	return number{name, bits, func() uint64 { return uint64(*at) }, func(v uint64) { *at = T(v) }}
}

func (s *Step) numbers() []number {
	return []number{
		field("csg", 2, &s.CSG), field("nsg", 2, &s.NSG), field("isid", 3, &s.ISID), field("cid", 16, &s.CID),
		field("vmin", 8, &s.VersionMin), field("vmax", 8, &s.VersionMax),
		field("itt", 32, &s.ITT), field("cmdsn", 32, &s.CmdSN), field("expstatsn", 32, &s.ExpStatSN), field("reason", 7, &s.Reason),
	}
}

// Parse reads the text form of a flow. The error is a *ParseError. Attributes may come in any order before the pairs.
func Parse(line string) (Flow, error) {
	if len(line) > LineMax {
		return Flow{}, &ParseError{Got: fmt.Sprintf("%d bytes", len(line)), Want: fmt.Sprintf("at most %d", LineMax)}
	}
	head, rest, more := strings.Cut(line, ";")
	var f Flow
	words := strings.Fields(head)
	if len(words) != 2 || words[0] != string(TargetRole) && words[0] != string(InitiatorRole) || !name(words[1]) {
		return Flow{}, &ParseError{Got: head, Want: `"target" or "initiator", and the name of a setup`}
	}
	f.Role, f.Setup = Role(words[0]), words[1]
	if !more {
		return f, nil
	}
	for i, text := range strings.Split(rest, ";") {
		if i == StepsMax {
			return Flow{}, &ParseError{Step: i + 1, Got: text, Want: fmt.Sprintf("at most %d steps", StepsMax)}
		}
		s, err := parseStep(text)
		if err != nil {
			var wrong *ParseError
			if errors.As(err, &wrong) {
				wrong.Step = i + 1
			}
			return Flow{}, err
		}
		f.Steps = append(f.Steps, s)
	}
	return f, nil
}

// name reports whether s can be the name of a setup.
func name(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

func parseStep(text string) (Step, error) {
	var s Step
	words := strings.Fields(text)
	if len(words) < 2 {
		return s, &ParseError{Got: text, Want: "the number of a connection and a verb"}
	}
	n, err := strconv.Atoi(words[0])
	if err != nil || n < 1 || n > ConnsMax || words[0][0] == '+' {
		return s, &ParseError{Got: words[0], Want: fmt.Sprintf("a connection from 1 to %d", ConnsMax)}
	}
	s.Conn, s.Verb = n, Verb(words[1])
	if !slices.Contains(Verbs(), s.Verb) {
		return s, &ParseError{Got: words[1], Want: fmt.Sprintf("a verb of %v", Verbs())}
	}
	for _, word := range words[2:] {
		if err := s.parseWord(word); err != nil {
			return s, err
		}
	}
	return s, nil
}

func (s *Step) parseWord(word string) error {
	if pair, is := strings.CutPrefix(word, "+"); is {
		return s.parsePair(pair)
	}
	name, value, _ := strings.Cut(word, "=")
	for _, n := range s.numbers() {
		if n.name != name {
			continue
		}
		v, err := strconv.ParseUint(value, 10, n.bits)
		if err != nil || v == 0 || value[0] == '0' {
			return &ParseError{Got: word, Want: fmt.Sprintf("a number of %d bits, not 0", n.bits)}
		}
		n.set(v)
		return nil
	}
	var err error
	switch {
	case word == "T":
		s.Transit = true
	case word == "C":
		s.Continue = true
	case name == "tsih" && handle(value):
		s.TSIH = value
	case name == "status":
		err = s.parseStatus(value)
	case word == string(FormNoLastNUL), word == string(FormMoreNULs), word == string(FormHalf), word == string(FormHuge):
		s.Form = Form(word)
	case name == "cut":
		err = s.parseCut(value)
	case name == "for":
		s.For, err = time.ParseDuration(value)
		if err == nil && (s.For <= 0 || s.For > 10*time.Minute || s.For.String() != value) {
			err = strconv.ErrRange
		}
	default:
		err = strconv.ErrSyntax
	}
	if err != nil {
		return &ParseError{Got: word, Want: "T, C, csg=, nsg=, isid=, cid=, vmin=, vmax=, itt=, cmdsn=, expstatsn=, reason=, tsih=, status=, cut=, for=, a form or a +pair"}
	}
	return nil
}

// handle reports whether s is a value of Header.TSIH.
func handle(s string) bool {
	return s == "zero" || s == "wrong" || len(s) == 2 && s[0] == 'c' && s[1] >= '1' && s[1] <= '0'+ConnsMax
}

func (s *Step) parseStatus(value string) error {
	v, err := strconv.ParseUint(strings.TrimPrefix(value, "0x"), 16, 16)
	if err != nil || v == 0 || fmt.Sprintf("0x%04x", v) != value {
		return strconv.ErrSyntax
	}
	s.Status = uint16(v)
	return nil
}

func (s *Step) parseCut(value string) error {
	end, at, _ := strings.Cut(value, "@")
	n, err := strconv.Atoi(at)
	if err != nil || n < 0 || n > 1<<20 || strconv.Itoa(n) != at {
		return strconv.ErrSyntax
	}
	switch Ending(end) {
	case EndReset, EndClose, EndSilence:
		s.Cut = Cut{Ending(end), n}
		return nil
	}
	return strconv.ErrSyntax
}

func (s *Step) parsePair(text string) error {
	key, value, has := strings.Cut(text, "=")
	if _, err := Expand(key, nil); err != nil {
		return err
	}
	if _, err := Expand(value, nil); err != nil {
		return err
	}
	if len(s.Pairs) == PairsMax {
		return &ParseError{Got: text, Want: fmt.Sprintf("at most %d pairs", PairsMax)}
	}
	s.Pairs = append(s.Pairs, Pair{Key: key, Value: value, Bare: !has})
	return nil
}
