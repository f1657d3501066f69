package reports

import (
	"fmt"
	"slices"
	"strings"

	"github.com/iscsispec/iscsispec/scenarios"
)

// View says how to look at what a row is about in Wireshark or tshark: names are those of their iSCSI dissector.
type View struct {
	// Filter is a display filter.
	Filter string `json:"filter"`
	// Fields are worth a column each, besides the frame's number and time.
	Fields []string `json:"fields"`
}

// Command is the tshark command line that shows a capture so.
func (v View) Command(capture string) string {
	words := []string{"tshark", "-r", capture, "-Y", "'" + v.Filter + "'", "-T", "fields", "-E", "header=y"}
	for _, f := range append([]string{"frame.number", "frame.time_relative"}, v.Fields...) {
		words = append(words, "-e", f)
	}
	return strings.Join(words, " ")
}

// ViewOf finds the PDUs, keys and fields that a row concerns: those of its group, and those that the sections of its clause and of the
// statements that it checks describe. A row that negotiates shows the keys it is about, with what they govern. A row about connections shows how they begin and end as well, and the comments that captures of this project have at faults.
func ViewOf(row *scenarios.Row) View {
	group := groupViews[row.Group]
	var opcodes []byte
	var keys, fields []string
	for _, section := range row.Sections() {
		number, ours := strings.CutPrefix(section, "rfc7143/")
		if !ours {
			continue
		}
		if p := pduSection(number); p != nil {
			opcodes = append(opcodes, p.opcodes...)
			fields = append(fields, p.fields...)
		}
		fields = append(fields, fieldSections[number]...)
		keys = append(keys, keySections[number]...)
		opcodes = append(opcodes, governedSections[number]...)
	}
	for _, s := range scenarios.StatementsOf(row.ID) {
		fields = append(fields, fieldSections[s.Section]...)
	}
	for _, w := range idFields {
		if strings.Contains(row.ID, w.word) {
			fields = append(fields, w.field)
		}
	}
	byKeys := len(keys) > 0 && group.login
	if byKeys {
		opcodes = append(opcodes, opcodeLoginResponse) // whatever comes of the keys ends in one
	} else {
		opcodes = append(opcodes, group.opcodes...)
	}
	if len(keys) > 0 {
		fields = append(fields, "iscsi.keyvalue")
	}
	fields = append(append([]string{"iscsi.opcode"}, fields...), group.fields...)
	terms := opcodeTerms(opcodes)
	for _, key := range unique(keys) {
		terms = append(terms, fmt.Sprintf("iscsi.keyvalue contains %q", key))
	}
	if len(terms) == 0 || group.links && len(opcodes) == 0 {
		terms = []string{"iscsi"}
	}
	if group.links {
		terms = append(terms, "tcp.flags.syn == 1", "tcp.flags.fin == 1", "tcp.flags.reset == 1", "frame.comment")
	}
	return View{Filter: strings.Join(terms, " || "), Fields: unique(fields)}
}

// opcodeTerms select PDUs, in the order of their opcodes.
func opcodeTerms(opcodes []byte) []string {
	sorted := slices.Clone(opcodes)
	slices.Sort(sorted)
	var terms []string
	for _, o := range slices.Compact(sorted) {
		terms = append(terms, fmt.Sprintf("iscsi.opcode == 0x%02x", o))
	}
	return terms
}

// unique drops repetitions and keeps the order.
func unique(words []string) []string {
	var kept []string
	for _, w := range words {
		if !slices.Contains(kept, w) {
			kept = append(kept, w)
		}
	}
	return kept
}

// pduSection finds the PDU that a section from 11.3 to 11.19 describes, by the section itself or the one that it is part of.
func pduSection(number string) *pduView {
	parts := strings.SplitN(number, ".", 3)
	if len(parts) < 2 || parts[0] != "11" {
		return nil
	}
	if p, ok := pduSections[parts[0]+"."+parts[1]]; ok {
		return &p
	}
	return nil
}

// opcodeLoginResponse is the one that a view by keys adds.
const opcodeLoginResponse = 0x23

// Opcodes of RFC 7143, Section 11.2.1.2, as the views group them.
var (
	opcodesLogin  = []byte{0x03, 0x23}
	opcodesText   = []byte{0x04, 0x24}
	opcodesTask   = []byte{0x02, 0x22}
	opcodesLogout = []byte{0x06, 0x26}
	opcodesNop    = []byte{0x00, 0x20}
	opcodesIn     = []byte{0x01, 0x21, 0x25}
	opcodesOut    = []byte{0x01, 0x05, 0x21, 0x31}
)

// pduView is a PDU with the fields that tell its place in the exchange.
type pduView struct {
	opcodes []byte
	fields  []string
}

// pduSections are the sections of RFC 7143 that describe a PDU each, with the opcodes of the PDU and of what it answers or is answered by.
var pduSections = map[string]pduView{
	"11.3":  {[]byte{0x01, 0x21}, []string{"iscsi.initiatortasktag", "iscsi.cmdsn"}},
	"11.4":  {[]byte{0x01, 0x21}, []string{"iscsi.initiatortasktag", "iscsi.statsn"}},
	"11.5":  {[]byte{0x02, 0x22}, []string{"iscsi.taskmanfun.function", "iscsi.taskmanfun.referencedtasktag"}},
	"11.6":  {[]byte{0x02, 0x22}, []string{"iscsi.taskmanfun.response"}},
	"11.7":  {[]byte{0x05, 0x25}, []string{"iscsi.initiatortasktag", "iscsi.datasn", "iscsi.bufferOffset", "iscsi.datasegmentlength"}},
	"11.8":  {[]byte{0x05, 0x31}, []string{"iscsi.initiatortasktag", "iscsi.r2tsn"}},
	"11.9":  {[]byte{0x32}, []string{"iscsi.asyncevent"}},
	"11.10": {[]byte{0x04, 0x24}, []string{"iscsi.initiatortasktag", "iscsi.keyvalue"}},
	"11.11": {[]byte{0x04, 0x24}, []string{"iscsi.initiatortasktag", "iscsi.keyvalue"}},
	"11.12": {[]byte{0x03, 0x23}, []string{"iscsi.login.csg", "iscsi.login.nsg"}},
	"11.13": {[]byte{0x03, 0x23}, []string{"iscsi.login.csg", "iscsi.login.nsg", "iscsi.login.status"}},
	"11.14": {[]byte{0x06, 0x26}, []string{"iscsi.logout.reason", "iscsi.cid"}},
	"11.15": {[]byte{0x06, 0x26}, []string{"iscsi.logout.response"}},
	"11.16": {[]byte{0x10}, []string{"iscsi.snack.type", "iscsi.snack.begrun", "iscsi.snack.runlength"}},
	"11.17": {[]byte{0x3f}, []string{"iscsi.reject.reason"}},
	"11.18": {[]byte{0x00, 0x20}, []string{"iscsi.initiatortasktag", "iscsi.targettransfertag"}},
	"11.19": {[]byte{0x00, 0x20}, []string{"iscsi.initiatortasktag", "iscsi.targettransfertag"}},
}

// fieldSections are the sections of RFC 7143 that describe one field of a PDU, or rules about some.
var fieldSections = map[string][]string{
	"4.2.2.1": {"iscsi.cmdsn", "iscsi.expcmdsn", "iscsi.maxcmdsn"}, "4.2.2.2": {"iscsi.statsn", "iscsi.expstatsn"},
	"4.2.2.4": {"iscsi.datasn", "iscsi.r2tsn"}, "11.2.1.1": {"iscsi.I"}, "11.2.1.5": {"iscsi.totalahslength"}, "11.2.1.6": {"iscsi.datasegmentlength"},
	"11.2.1.7": {"scsi.lun"}, "11.2.1.8": {"iscsi.initiatortasktag"}, "11.2.2": {"iscsi.ahs.type"}, "11.2.2.2": {"iscsi.ahs.type"},
	"11.2.2.3": {"iscsi.ahs.extended_cdb"}, "11.2.2.4": {"iscsi.ahs.bidir.length"}, "11.2.3": {"iscsi.headerdigest32", "iscsi.datadigest32"},
	"11.3.1": {"iscsi.scsicommand.F", "iscsi.scsicommand.R", "iscsi.scsicommand.W", "iscsi.scsicommand.attr"}, "11.3.3": {"iscsi.expstatsn"},
	"11.3.4": {"iscsi.scsicommand.expecteddatatransferlength"}, "11.3.6": {"iscsi.datasegmentlength"},
	"11.4.1": {"iscsi.scsiresponse.U", "iscsi.scsiresponse.O"}, "11.4.2": {"iscsi.scsiresponse.status"}, "11.4.3": {"iscsi.scsiresponse.response"},
	"11.4.5": {"iscsi.scsiresponse.residualcount"}, "11.4.5.1": {"iscsi.scsiresponse.U", "iscsi.scsiresponse.O", "iscsi.scsiresponse.residualcount"},
	"11.4.5.2": {"iscsi.scsiresponse.bidireadresidualcount"}, "11.4.7": {"iscsi.scsiresponse.senselength"},
	"11.4.7.2": {"scsi.sns.key", "scsi.sns.ascascq"}, "11.4.8": {"iscsi.expdatasn"}, "11.4.10": {"iscsi.expcmdsn"}, "11.4.11": {"iscsi.maxcmdsn"},
	"11.5.5": {"iscsi.refcmdsn"}, "11.5.6": {"iscsi.expdatasn"}, "11.7.1": {"iscsi.scsidata.F"}, "11.7.2": {"iscsi.scsidata.A"},
	"11.7.3": {"iscsi.scsidata.S", "iscsi.scsidata.readresidualcount"}, "11.7.4": {"iscsi.targettransfertag"}, "11.8.3": {"iscsi.statsn"},
	"11.8.4": {"iscsi.bufferOffset", "iscsi.desireddatalength"}, "11.8.5": {"iscsi.targettransfertag"},
	"11.9.1": {"iscsi.parameter1", "iscsi.parameter2", "iscsi.parameter3"}, "11.9.2": {"iscsi.eventvendorcode"}, "11.9.3": {"scsi.lun"},
	"11.10.1": {"iscsi.text.F"}, "11.10.2": {"iscsi.text.C"}, "11.10.4": {"iscsi.targettransfertag"}, "11.11.1": {"iscsi.text.F"},
	"11.11.2": {"iscsi.text.C"}, "11.11.4": {"iscsi.targettransfertag"}, "11.11.5": {"iscsi.statsn"}, "11.12.1": {"iscsi.login.T"},
	"11.12.2": {"iscsi.login.C"}, "11.12.4": {"iscsi.versionmax", "iscsi.versionmin"}, "11.12.4.1": {"iscsi.versionmax"}, "11.12.4.2": {"iscsi.versionmin"},
	"11.12.5": {"iscsi.isid"}, "11.12.6": {"iscsi.tsih"}, "11.12.7": {"iscsi.cid"}, "11.12.8": {"iscsi.cmdsn"}, "11.12.9": {"iscsi.expstatsn"},
	"11.12.10": {"iscsi.keyvalue"}, "11.13.1": {"iscsi.versionmax"}, "11.13.2": {"iscsi.versionactive"}, "11.13.3": {"iscsi.tsih"},
	"11.13.4": {"iscsi.statsn"}, "11.13.6": {"iscsi.login.T"}, "11.13.7": {"iscsi.login.C"}, "11.13.8": {"iscsi.keyvalue"},
	"11.14.4": {"iscsi.expstatsn"}, "11.15.3": {"iscsi.time2wait"}, "11.15.4": {"iscsi.time2retain"}, "11.17.2": {"iscsi.datasn"},
	"11.17.3": {"iscsi.statsn", "iscsi.expcmdsn", "iscsi.maxcmdsn"}, "11.18.3": {"iscsi.pingdata"}, "11.19.2": {"iscsi.statsn"}, "11.19.3": {"scsi.lun"},
}

// idFields are the fields that a row's name speaks of.
var idFields = []struct{ word, field string }{
	{"tsih", "iscsi.tsih"}, {"isid", "iscsi.isid"}, {"cid", "iscsi.cid"}, {"cmdsn", "iscsi.cmdsn"}, {"statsn", "iscsi.statsn"}, {"datasn", "iscsi.datasn"},
	{"r2tsn", "iscsi.r2tsn"}, {"itt", "iscsi.initiatortasktag"}, {"ttt", "iscsi.targettransfertag"}, {"tbit", "iscsi.login.T"}, {"cbit", "iscsi.login.C"},
	{"version", "iscsi.versionmax"}, {"lun", "scsi.lun"}, {"residual", "iscsi.scsiresponse.residualcount"}, {"time2", "iscsi.time2wait"},
	{"sense", "scsi.sns.ascascq"}, {"digest", "iscsi.datadigest32"}, {"ping", "iscsi.pingdata"},
}

// keySections are the sections of RFC 7143 that describe keys.
var keySections = map[string][]string{
	"12": {"AuthMethod"}, "12.1": {"AuthMethod"}, "12.1.3": {"AuthMethod", "CHAP_"}, "13.1": {"HeaderDigest", "DataDigest"}, "13.2": {"MaxConnections"},
	"13.3": {"SendTargets"}, "13.4": {"TargetName"}, "13.5": {"InitiatorName"}, "13.6": {"TargetAlias"}, "13.7": {"InitiatorAlias"},
	"13.8": {"TargetAddress"}, "13.9": {"TargetPortalGroupTag"}, "13.10": {"InitialR2T"}, "13.11": {"ImmediateData"},
	"13.12": {"MaxRecvDataSegmentLength"}, "13.13": {"MaxBurstLength"}, "13.14": {"FirstBurstLength"}, "13.15": {"DefaultTime2Wait"},
	"13.16": {"DefaultTime2Retain"}, "13.17": {"MaxOutstandingR2T"}, "13.18": {"DataPDUInOrder"}, "13.19": {"DataSequenceInOrder"},
	"13.20": {"ErrorRecoveryLevel"}, "13.21": {"SessionType"}, "13.22": {"X-"}, "13.23": {"TaskReporting"}, "13.24": {"iSCSIProtocolLevel"},
	"13.25": {"IFMarker", "OFMarker", "IFMarkInt", "OFMarkInt"}, "13.26": {"X#NodeArchitecture"}, "13.26.1": {"X#NodeArchitecture"},
	"13.26.2": {"X#NodeArchitecture"},
}

// governedSections are the sections of RFC 7143 that describe a key by which data is moved, with the PDUs that have to heed it.
var governedSections = map[string][]byte{
	"13.10": opcodesOut, "13.11": opcodesOut, "13.12": {0x05, 0x25}, "13.13": {0x05, 0x25, 0x31}, "13.14": opcodesOut, "13.17": opcodesOut,
	"13.18": {0x05, 0x25}, "13.19": {0x05, 0x25, 0x31},
}

// groupView is what all rows of a group are about.
type groupView struct {
	opcodes []byte
	fields  []string
	login   bool // what is negotiated shows by the keys alone
	links   bool // how connections begin and end belongs to it
}

// groupViews are the groups of the catalogue.
var groupViews = map[string]groupView{
	"login":          {opcodes: opcodesLogin, fields: []string{"iscsi.login.csg", "iscsi.login.nsg", "iscsi.login.T", "iscsi.login.status"}},
	"negotiation":    {opcodes: append(opcodesText, opcodesLogin...), fields: []string{"iscsi.keyvalue", "iscsi.login.status"}, login: true},
	"keys":           {opcodes: append(opcodesText, opcodesLogin...), fields: []string{"iscsi.keyvalue", "iscsi.login.status"}, login: true},
	"auth":           {opcodes: opcodesLogin, fields: []string{"iscsi.keyvalue", "iscsi.login.status"}, login: true},
	"redirect":       {opcodes: opcodesLogin, fields: []string{"iscsi.login.status", "iscsi.keyvalue"}, links: true},
	"discovery":      {opcodes: append(opcodesText, opcodesLogin...), fields: []string{"iscsi.keyvalue"}},
	"text":           {opcodes: opcodesText, fields: []string{"iscsi.keyvalue"}},
	"ffp-sequencing": {fields: []string{"iscsi.cmdsn", "iscsi.expcmdsn", "iscsi.maxcmdsn", "iscsi.statsn", "iscsi.expstatsn"}},
	"data-in":        {opcodes: opcodesIn, fields: []string{"iscsi.initiatortasktag"}},
	"data-out":       {opcodes: opcodesOut, fields: []string{"iscsi.initiatortasktag"}},
	"tmf":            {opcodes: opcodesTask, fields: []string{"iscsi.taskmanfun.function", "iscsi.taskmanfun.response"}},
	"logout":         {opcodes: opcodesLogout, fields: []string{"iscsi.logout.reason", "iscsi.logout.response"}, links: true},
	"async":          {opcodes: []byte{0x32}, fields: []string{"iscsi.asyncevent"}, links: true},
	"nop":            {opcodes: opcodesNop, fields: []string{"iscsi.initiatortasktag", "iscsi.targettransfertag"}},
	"reject":         {opcodes: []byte{0x3f}, fields: []string{"iscsi.reject.reason"}},
	"snack":          {opcodes: []byte{0x10}, fields: []string{"iscsi.snack.type"}},
	"digest":         {fields: []string{"iscsi.headerdigest32", "iscsi.datadigest32"}},

	"recovery":         {fields: []string{"iscsi.login.status", "iscsi.isid", "iscsi.tsih", "iscsi.cid"}, links: true},
	"multi-connection": {fields: []string{"tcp.stream", "iscsi.cid", "iscsi.cmdsn", "iscsi.statsn"}, links: true},
	"session-management": {opcodes: append(opcodesLogout, opcodesLogin...), fields: []string{"tcp.stream", "iscsi.isid", "iscsi.tsih", "iscsi.login.status"},
		links: true},
	"session-lifecycle":   {fields: []string{"tcp.stream", "iscsi.isid", "iscsi.tsih", "iscsi.login.status"}, links: true},
	"device-stack":        {fields: []string{"tcp.stream", "iscsi.login.status", "iscsi.scsiresponse.status"}, links: true},
	"sessions-add-remove": {fields: []string{"tcp.stream", "iscsi.isid", "iscsi.tsih", "iscsi.login.status"}, links: true},
	"robustness":          {fields: []string{"iscsi.opcode.invalid", "iscsi.datasegmentlength"}, links: true},
}
