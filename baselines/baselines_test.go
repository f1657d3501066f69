package baselines

import (
	"strings"
	"testing"

	"github.com/iscsispec/iscsispec/scenarios"
)

func TestPeersAreDescribed(t *testing.T) {
	var names []string
	for _, p := range Peers() {
		names = append(names, p.Name)
		if !strings.HasSuffix(p.About, ".") || len(p.About) < 40 || len(p.Known) == 0 {
			t.Errorf("%s: %q, %d findings", p.Name, p.About, len(p.Known))
		}
		for _, e := range p.Known {
			if !strings.ContainsAny(e.ID, "*?[") && scenarios.LoadCatalogue().Row(e.ID) == nil {
				t.Errorf("%s knows of %s, which is no row", p.Name, e.ID)
			}
		}
	}
	if got := strings.Join(names, " "); got != "gotgt libiscsi tgt tgt-chap" {
		t.Errorf("the peers are %s", got)
	}
}

func TestDifferencesOfARow(t *testing.T) {
	for id, want := range map[string]string{
		"login.tsih.unknown-nonzero-refused": "gotgt tgt", "auth.chap.algorithm-from-list": "tgt-chap", "login.tbit-unrequested": "libiscsi", "login.standard": "",
	} {
		var names []string
		for _, d := range Of(id) {
			names = append(names, d.Peer)
			if d.Reason == "" || d.Verdict == "" || d.About == "" {
				t.Errorf("%s: %+v", id, d)
			}
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s: %q, want %q", id, got, want)
		}
	}
}
