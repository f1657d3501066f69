package iscsi_test

import (
	"testing"

	"github.com/iscsispec/iscsispec/iscsi"
)

func TestStatusWords(t *testing.T) {
	for status, want := range map[iscsi.Status]string{
		0x0000: "0x0000 (success)", 0x0101: "0x0101 (target moved temporarily)", 0x0102: "0x0102 (target moved permanently)",
		0x0200: "0x0200 (initiator error)", 0x0201: "0x0201 (authentication failure)", 0x0202: "0x0202 (authorization failure)",
		0x0203: "0x0203 (target not found)", 0x0204: "0x0204 (target removed)", 0x0205: "0x0205 (unsupported version)",
		0x0206: "0x0206 (too many connections)", 0x0207: "0x0207 (missing parameter)", 0x0208: "0x0208 (cannot include in session)",
		0x0209: "0x0209 (session type not supported)", 0x020a: "0x020a (session does not exist)", 0x020b: "0x020b (invalid during login)",
		0x0300: "0x0300 (target error)", 0x0301: "0x0301 (service unavailable)", 0x0302: "0x0302 (out of resources)",
		0x0001: "0x0001 (undefined success)", 0x0177: "0x0177 (undefined redirection)", 0x0277: "0x0277 (undefined initiator error)",
		0x0377: "0x0377 (undefined target error)", 0x7700: "0x7700 (undefined class)",
	} {
		if got := status.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if got := iscsi.MakeStatus(status.Class(), status.Detail()); got != status {
			t.Errorf("%v falls apart into %v", status, got)
		}
	}
}
