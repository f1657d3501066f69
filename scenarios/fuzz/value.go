package fuzz

// values are templates of one class of a key, the plainest first.
type values map[Class][]string

// A number of some classes, by the border of its key.
func numbers(legal []string, lo, hi string, beyond ...string) values {
	return values{Legal: legal, Boundary: {lo, hi}, Illegal: beyond, Malformed: []string{"large", "", "12abc", "1~8", "-1", "007", "1%00"}}
}

var boolean = values{Legal: {"Yes", "No"}, Illegal: {"Maybe", "yes", "1", "Reject"}, Malformed: {"", "Yes,No", "No%20"}}

var digest = values{Legal: {"None", "CRC32C,None", "None,CRC32C", "CRC32C"}, Boundary: {"CRC99,None", "Y-com.example.sum64,CRC32C"},
	Illegal: {"Y-com.example.sum64", "NotUnderstood", "crc32c"}, Malformed: {"", "CRC32C,%20None", ",None", "None,"}}

var marker = values{Legal: {"No", "Yes", "2048~65535"}, Illegal: {"Reject", "8192"}, Malformed: {"", "1~2~3"}}

// valuesOf holds what generators draw from, by key.
var valuesOf = [keyCount]values{
	kInitiatorName: {Legal: {"{i1}", "{i2}", "{i3}"}, Boundary: {"{i1:223}"}, Illegal: {"{i1:224}", "host7", "eui.02"},
		Malformed: {"", "iqn.2026-01.org.example:a%20b", "iqn.2026-01.org.example:%FF"}},
	kTargetName: {Legal: {"{target}", "{absent}"}, Boundary: {"{target:223}"}, Illegal: {"{target:224}", "iSCSI", "disk"},
		Malformed: {"", "{target}%20", "%00"}},
	kSessionType:              {Legal: {"Normal", "Discovery"}, Illegal: {"Bogus", "normal", "Reject"}, Malformed: {"", "Normal,Discovery"}},
	kInitiatorAlias:           {Legal: {"tester"}, Boundary: {"{a*255}"}, Illegal: {"{a*256}", "{b*1000}"}, Malformed: {"", "%FF%FE"}},
	kAuthMethod:               {Legal: {"None", "CHAP,None", "CHAP", "None,CHAP", "KRB5,CHAP,None", "KRB5"}, Boundary: {"Z-com.example.auth,CHAP,None"}, Illegal: {"Z-com.example.auth", "none", "Reject"}, Malformed: {"", "CHAP,,None", "CHAP%20"}},
	kCHAPA:                    {Legal: {"5", "7", "8,7,6,5", "6"}, Boundary: {"250,5", "5,250"}, Illegal: {"250", "0", "250,251"}, Malformed: {"md5", "", "5%3B6", "05"}},
	kCHAPI:                    {Legal: {"77"}, Boundary: {"0", "255"}, Illegal: {"256", "70000"}, Malformed: {"", "x"}},
	kCHAPC:                    {Legal: {"{bytes:16}", "{bytes:64}", "{chap.c}"}, Boundary: {"{bytes:1}", "{bytes:1024}"}, Illegal: {"{bytes:1025}", "{bytes:3000}", "0x"}, Malformed: {"", "0xZZ", "abc"}},
	kCHAPN:                    {Legal: {"{user}", "nobody", "{user}x"}, Boundary: {"{u*255}"}, Illegal: {"{u*256}"}, Malformed: {"", "%FF"}},
	kCHAPR:                    {Legal: {"{chap.r}", "{chap.r:upper}", "{chap.r:base64}", "{chap.wrong}", "{chap.old}"}, Illegal: {"{chap.r}00", "{bytes:15}", "0x"}, Malformed: {"", "0xZZ", "0b%21%21", "{chap.r:bare}"}},
	kHeaderDigest:             digest,
	kDataDigest:               digest,
	kMaxConnections:           numbers([]string{"2", "4", "8"}, "1", "65535", "0", "65536"),
	kInitialR2T:               boolean,
	kImmediateData:            boolean,
	kMaxRecvDataSegmentLength: numbers([]string{"8192", "65536", "262144", "65537", "0x2000"}, "512", "16777215", "511", "0", "16777216"),
	kMaxBurstLength:           numbers([]string{"262144", "65536", "8192", "0x10000"}, "512", "16777215", "511", "0", "16777216"),
	kFirstBurstLength:         numbers([]string{"65536", "8192", "0X2000"}, "512", "16777215", "511", "0", "16777216"),
	kDefaultTime2Wait:         numbers([]string{"2", "60"}, "0", "3600", "3601", "70000"),
	kDefaultTime2Retain:       numbers([]string{"20", "5"}, "0", "3600", "3601", "70000"),
	kMaxOutstandingR2T:        numbers([]string{"8", "2"}, "1", "65535", "0", "65536"),
	kDataPDUInOrder:           boolean,
	kDataSequenceInOrder:      boolean,
	kErrorRecoveryLevel:       numbers([]string{"1"}, "0", "2", "3", "255"),
	kTaskReporting: {Legal: {"RFC3720", "ResponseFence,RFC3720", "FastAbort,ResponseFence,RFC3720"}, Boundary: {"Z-x,RFC3720"},
		Illegal: {"FastReport", "Irrelevant"}, Malformed: {"", "RFC3720,"}},
	kISCSIProtocolLevel:   numbers([]string{"1", "2"}, "0", "31", "32", "1000"),
	kNodeArchitecture:     {Legal: {"iscsispec/1.0"}, Boundary: {"{n*255}"}, Illegal: {"{n*300}"}, Malformed: {""}},
	kIFMarker:             marker,
	kOFMarker:             marker,
	kIFMarkInt:            marker,
	kOFMarkInt:            marker,
	kSendTargets:          {Legal: {"All"}, Illegal: {"None"}, Malformed: {"", "{target}"}},
	kTargetAlias:          {Legal: {"disk"}, Boundary: {"{t*255}"}, Illegal: {"{t*256}"}, Malformed: {"", "%FF"}},
	kTargetAddress:        {Legal: {"10.0.0.1:3260,1"}, Boundary: {"{1*255}"}, Illegal: {"{1*256}"}, Malformed: {"", "%FF"}},
	kTargetPortalGroupTag: {Legal: {"1"}, Boundary: {"{1*255}"}, Illegal: {"{1*256}"}, Malformed: {"", "%FF"}},
	kUnknown:              {Legal: {"X-com.example.iscsispec.probe", "FutureBurstMode"}, Boundary: {"X-{a*61}"}, Illegal: {"X-{a*62}", "maxburstlength", "x-lower", "X-{a*200}"}, Malformed: {"X#iscsispec", "A%20B", "K/"}},
}

// keyPlan lists every key with every class of value that it can have.
func keyPlan() []string {
	var plan []string
	for k := range keyCount {
		for _, class := range Classes() {
			if len(valuesOf[k][class]) > 0 || class == Duplicated || class == Missing && k != kUnknown {
				plan = append(plan, keys[k].name+" "+string(class))
			}
		}
	}
	return plan
}
