package scripted

import (
	"strconv"
	"strings"
	"time"

	"github.com/iscsispec/iscsispec/scenarios/fuzz"
)

// Draw draws a flow for the InitiatorRole: on each of a few connections some sound answers, then what a sound array would not say.
func Draw(c fuzz.Choices) fuzz.Flow {
	f := fuzz.Flow{Role: fuzz.InitiatorRole, Setup: setups[c.Choose("setup", len(setups))].name}
	looping := chance(c, "loop", 16)
	conns := 1
	if looping {
		f.Setup += loopSuffix
	} else {
		conns += pick(c, "connections", 0, 0, 1, 1, 2, 3)
	}
	for conn := 1; conn <= conns; conn++ {
		f.Steps = append(f.Steps, drawConn(c, f.Setup, conn, looping)...)
	}
	return f
}

// exchangesOf is how many answers a sound login takes in a setup.
func exchangesOf(setup string) int {
	switch strings.TrimSuffix(setup, loopSuffix) {
	case "chap", "mutual", "optional", "await":
		return 4
	case "direct", "bare":
		return 1
	case "long":
		return 3
	}
	return 2
}

// drawConn draws the steps of one connection.
func drawConn(c fuzz.Choices, setup string, conn int, looping bool) []fuzz.Step {
	exchanges := exchangesOf(setup)
	sound := c.Choose("sound answers", exchanges+1)
	if looping {
		sound = c.Choose("sound answers", 2)
	}
	var steps []fuzz.Step
	for range sound {
		steps = append(steps, fuzz.Step{Conn: conn, Verb: fuzz.VerbAnswer})
	}
	if sound == exchanges && !looping {
		for range 1 + c.Choose("more", 3) {
			steps = append(steps, drawLater(c, conn))
		}
		return steps
	}
	for range 1 + c.Choose("more", 3) {
		switch c.Choose("step", 12) {
		case 0:
			steps = append(steps, drawLater(c, conn))
		case 1:
			steps = append(steps, fuzz.Step{Conn: conn, Verb: fuzz.VerbAnswer})
		default:
			steps = append(steps, drawAnswer(c, setup, conn, len(steps)))
		}
	}
	return steps
}

// drawLater draws what an array does of its own accord.
func drawLater(c fuzz.Choices, conn int) fuzz.Step {
	s := fuzz.Step{Conn: conn, Verb: pick(c, "verb", fuzz.VerbReset, fuzz.VerbClose, fuzz.VerbAsync, fuzz.VerbPing, fuzz.VerbWait, fuzz.VerbHush, fuzz.VerbAsync, fuzz.VerbText, fuzz.VerbCommand, fuzz.VerbReject, fuzz.VerbLogout, fuzz.VerbAnswer)}
	switch s.Verb {
	case fuzz.VerbAsync:
		s.Reason = pick[byte](c, "event", 1, 2, 3, 4, 5, 0, 99)
		s.For = pick(c, "seconds", 0, time.Second, 3*time.Second, 8*time.Second)
	case fuzz.VerbWait:
		s.For = pick(c, "time", time.Second, 4*time.Second, 14*time.Second, 16*time.Second, 40*time.Second)
	case fuzz.VerbReject:
		s.Reason = pick[byte](c, "reason", 4, 5, 11)
	}
	return s
}

// drawAnswer draws an answer that is not sound, or hardly. at counts the answers before it on its connection.
func drawAnswer(c fuzz.Choices, setup string, conn, at int) fuzz.Step {
	s := fuzz.Step{Conn: conn, Verb: fuzz.VerbAnswer}
	if (at == 1 || at == 2) && exchangesOf(setup) == 4 && chance(c, "CHAP", 2) {
		drawCHAP(c, &s, at)
		return s
	}
	if at == 0 && setup == "optional" && chance(c, "none", 4) {
		s.Pairs = append(s.Pairs, fuzz.Pair{Key: "AuthMethod", Value: "None"})
		return s
	}
	for range 1 + pick(c, "changes", 0, 0, 0, 1, 2) {
		drawChange(c, &s, setup)
	}
	return s
}

// drawChange changes one thing of an answer.
func drawChange(c fuzz.Choices, s *fuzz.Step, setup string) {
	switch c.Choose("change", 20) {
	case 0, 1, 2, 3, 4:
		drawKey(c, s)
	case 5, 6:
		if strings.HasPrefix(setup, "plain") || strings.HasPrefix(setup, "d") {
			drawKey(c, s)
			return
		}
		drawCHAP(c, s, 0)
	case 7, 8, 9:
		drawStatus(c, s)
	case 10:
		s.Transit = true
	case 11:
		s.Continue = true
	case 12:
		s.NSG = 1 + byte(c.Choose("nsg", 3))
	case 13:
		s.CSG = 1 + byte(c.Choose("csg", 3))
	case 14:
		s.ExpStatSN = pick[uint32](c, "statsn", 1, 4, 0xffffffff, 0x80000000, 0xffffefff)
	case 15:
		drawNumbers(c, s)
	case 16:
		s.Form = pick(c, "form", fuzz.FormMoreNULs, fuzz.FormNoLastNUL, fuzz.FormHalf, fuzz.FormHuge)
	case 17:
		s.Cut = fuzz.Cut{End: pick(c, "end", fuzz.EndReset, fuzz.EndClose, fuzz.EndSilence), At: pick(c, "at", 0, 1, 20, 47, 48, 49, 60, 1000)}
	case 18:
		s.For = pick(c, "slowly", time.Second, 10*time.Second, 14*time.Second, 20*time.Second)
	case 19:
		drawUnknown(c, s)
	}
}

// drawNumbers changes a field that is no stage and no status.
func drawNumbers(c fuzz.Choices, s *fuzz.Step) {
	switch c.Choose("number", 6) {
	case 0:
		s.ITT = pick[uint32](c, "itt", 1, 0x10001)
	case 1:
		s.VersionMin = pick[byte](c, "active", 1, 255)
	case 2:
		s.VersionMax = pick[byte](c, "vmax", 1, 255)
	case 3:
		s.ISID = 1 + byte(c.Choose("isid", 7))
	case 4:
		s.TSIH = pick(c, "tsih", "zero", "wrong")
	case 5:
		s.CmdSN = pick[uint32](c, "cmdsn", 1, 0xffffffff)
	}
}

// drawStatus makes the answer a refusal or a redirect.
func drawStatus(c fuzz.Choices, s *fuzz.Step) {
	s.Status = pick[uint16](c, "status", 0x0101, 0x0102, 0x0101, 0x0102, 0x0101, 0x0102, 0x017f, 0x0200, 0x0201, 0x0202, 0x0203, 0x0204, 0x0205, 0x0206,
		0x0207, 0x0208, 0x0209, 0x020a, 0x020b, 0x02ff, 0x0300, 0x0301, 0x0302, 0x03ff, 0x0001, 0x0400, 0xff00)
	if s.Status>>8 != 1 {
		return
	}
	for range 1 + pick(c, "addresses", 0, 0, 0, 1, 2) {
		s.Pairs = append(s.Pairs, fuzz.Pair{Key: "TargetAddress", Value: drawAddress(c)})
	}
	if chance(c, "no address", 12) {
		s.Pairs = nil
	}
}

// addresses are the forms of TargetAddress: portals, others that do not answer, and what is no address.
var addresses = []string{"{B}", "{A}", "{C}", "10.0.1.2", "[fd00::3]", "portal-b.test:3260", "portal-b.test", deadPortal, silentPortal, "{B},1", "{B},65535",
	"{B},65536", "{B},", "nowhere.invalid:3260", "", "999.1.1.1", "10.0.1", "[::1", "[10.0.1.2]:3260", "host:99999", ":3260", "10.0.1.2:0", "10.0.1.2:",
	"10.0.1.2:x", "fd00::3", "{a*300}", "10.0.1.2%20", "[fd00::3]3260"}

func drawAddress(c fuzz.Choices) string { return addresses[c.Choose("address", len(addresses))] }

// drawKey gives a key a value of some class.
func drawKey(c fuzz.Choices, s *fuzz.Step) {
	r := &rules[c.Choose("key", len(rules))]
	class := fuzz.Classes()[c.Choose("class", len(fuzz.Classes()))]
	drawValue(c, s, r, class)
}

func drawValue(c fuzz.Choices, s *fuzz.Step, r *rule, class fuzz.Class) {
	add := func(value string) { s.Pairs = append(s.Pairs, fuzz.Pair{Key: r.key, Value: value}) }
	switch class {
	case fuzz.Missing:
		s.Pairs = append(s.Pairs, fuzz.Pair{Key: r.key, Bare: true})
	case fuzz.Duplicated:
		value := legalValue(c, r)
		add(value)
		if chance(c, "another", 2) {
			value = legalValue(c, r)
		}
		add(value)
	case fuzz.Legal:
		if chance(c, "reserved", 5) {
			add(pick(c, "word", "Reject", "Irrelevant", "NotUnderstood"))
			return
		}
		add(legalValue(c, r))
	case fuzz.Boundary:
		add(boundaryValue(c, r))
	case fuzz.Illegal:
		add(illegalValue(c, r))
	case fuzz.Malformed:
		add(malformedValue(c, r))
	}
}

func legalValue(c fuzz.Choices, r *rule) string {
	switch {
	case r.numeric():
		n := pick(c, "number", r.least, min(r.least+1, r.most), min(4096, r.most))
		return pick(c, "base", strconv.FormatInt(n, 10), "0x"+strconv.FormatInt(n, 16))
	case r.function == and, r.function == or:
		return pick(c, "bool", "Yes", "No")
	case r.function == list:
		return r.values[c.Choose("member", len(r.values))]
	case r.function == obsolete:
		return "No"
	case r.key == "TargetAddress":
		return drawAddress(c)
	case r.key == "SessionType":
		return "Normal"
	}
	return "some"
}

func boundaryValue(c fuzz.Choices, r *rule) string {
	switch {
	case r.numeric():
		return strconv.FormatInt(pick(c, "bound", r.least, r.most), 10)
	case r.function == declared:
		return pick(c, "length", "{n*255}", "n")
	}
	return legalValue(c, r)
}

func illegalValue(c fuzz.Choices, r *rule) string {
	switch {
	case r.numeric():
		return pick(c, "beyond", strconv.FormatInt(r.most+1, 10), strconv.FormatInt(max(r.least-1, 0), 10), "4294967296", "18446744073709551616")
	case r.function == declared:
		return "{n*256}"
	}
	return pick(c, "other", "Foo", "Maybe", "1")
}

func malformedValue(c fuzz.Choices, r *rule) string {
	switch {
	case r.numeric():
		return pick(c, "form", "", "abc", "-1", "+1", "01", "0x", "1,2", "1%20", "0xg")
	case r.function == and, r.function == or, r.function == obsolete:
		return pick(c, "form", "yes", "", "YES", "Yes,No", "Yes%20")
	}
	return pick(c, "form", "", ",", "None,CRC32C", "none", "CHAP,None", "RFC3720,FastAbort")
}

// drawUnknown adds keys that nobody knows, or so many that the text grows long.
func drawUnknown(c fuzz.Choices, s *fuzz.Step) {
	switch c.Choose("unknown", 6) {
	case 0:
		s.Pairs = append(s.Pairs, fuzz.Pair{Key: "X-org.example.k", Value: pick(c, "value", "1", "", "{v*255}", "{v*1000}")})
	case 1:
		s.Pairs = append(s.Pairs, fuzz.Pair{Key: pick(c, "name", "Unknown", "x-small", "Y-odd", "{K*63}", "{K*64}", "Bad%20Key", "X#a"), Value: "1"})
	case 2:
		s.Pairs = append(s.Pairs, fuzz.Pair{Key: "X-org.example.r", Value: pick(c, "word", "NotUnderstood", "Reject", "Irrelevant")})
	case 3:
		for i := range pick(c, "many", 3, 10, 40) {
			s.Pairs = append(s.Pairs, fuzz.Pair{Key: "X-org.example.n" + strconv.Itoa(i), Value: "1"})
		}
	case 4:
		s.Pairs = append(s.Pairs, fuzz.Pair{Key: "X-org.example.b", Value: pick(c, "size", "{b*7000}", "{b*9000}", "{b*20000}", "{b*60000}")})
	case 5:
		s.Pairs = append(s.Pairs, fuzz.Pair{Key: pick(c, "token", "token", "SendTargets", "KRB_AP_REQ"), Bare: true})
	}
}

// drawCHAP gives a key of CHAP a value of some class: one of the array's challenge in answer 1, of its proof in answer 2, and any elsewhere.
func drawCHAP(c fuzz.Choices, s *fuzz.Step, at int) {
	keys := chapKeys
	switch at {
	case 1:
		keys = chapKeys[:3]
	case 2:
		keys = chapKeys[3:]
	}
	key := keys[c.Choose("chap", len(keys))]
	add := func(value string) { s.Pairs = append(s.Pairs, fuzz.Pair{Key: key, Value: value}) }
	values := chapValues[key]
	switch class := fuzz.Classes()[c.Choose("class", len(fuzz.Classes()))]; class {
	case fuzz.Missing:
		s.Pairs = append(s.Pairs, fuzz.Pair{Key: key, Bare: true})
		if at == 2 && chance(c, "all", 3) {
			s.Pairs = []fuzz.Pair{{Key: "CHAP_N", Bare: true}, {Key: "CHAP_R", Bare: true}}
		}
	case fuzz.Duplicated:
		add(values[fuzz.Legal][0])
		add(values[fuzz.Legal][0])
	default:
		list := values[class]
		add(list[c.Choose("value", len(list))])
	}
}

// chapValues are values of the keys of CHAP by class.
var chapValues = map[string]map[fuzz.Class][]string{
	"CHAP_A": {fuzz.Legal: {"5", "0x5"}, fuzz.Boundary: {"0x05", "255"}, fuzz.Illegal: {"6", "7", "8", "250", "0", "256"}, fuzz.Malformed: {"MD5", "", "5,6", "0x", "-5"}},
	"CHAP_I": {fuzz.Legal: {"7", "0x7f"}, fuzz.Boundary: {"0", "255"}, fuzz.Illegal: {"256", "65536"}, fuzz.Malformed: {"-1", "abc", "", "0x", "1,2"}},
	"CHAP_C": {fuzz.Legal: {"{chap.c}", "{chap.c64}", "{chap.cupper}", "{before.c}"}, fuzz.Boundary: {"0x0a", "{chap.long.c}"},
		fuzz.Illegal: {"{chap.longer.c}", "{chap.own.c}"}, fuzz.Malformed: {"", "0x", "0b", "0xZZ", "abc"}},
	"CHAP_N": {fuzz.Legal: {arrayUser}, fuzz.Boundary: {"{n*255}", "s"}, fuzz.Illegal: {"scripte", "scripted2", "SCRIPTED", "{chap.own.n}", "{n*4000}"}, fuzz.Malformed: {""}},
	"CHAP_R": {fuzz.Legal: {"{chap.right}", "{chap.right64}"}, fuzz.Boundary: {"0x00"}, fuzz.Illegal: {"{chap.flipped}", "{chap.short}", "{chap.long}", "{chap.reflected}", "{chap.own.r}"},
		fuzz.Malformed: {"", "0x", "0xZZ", "abc"}},
}
