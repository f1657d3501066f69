package initiator

import (
	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// loginChecks are those of the group login.
func loginChecks() []Check {
	return []Check{
		{ID: "login.standard", Run: standardLogin},
	}
}

func standardLogin(t *T) {
	t.Part("as the initiator begins", func() {
		t.Session()
		t.Probe()
	})
	t.Part("straight to full feature phase", func() {
		op := t.Start(Login{})
		c := t.Accept()
		s := c.LoginStep()
		if s.Request.CSG == pdu.StageSecurity && s.Request.Transit && s.Request.NSG == pdu.StageFullFeature {
			t.Skip("The initiator asks for full feature phase right away.")
		}
		c.Respond(s)
		if !c.FullFeature() && !c.Login() {
			t.Fail("a login that ends", "full feature phase")
		}
		if r := op.Wait(); !r.Good() {
			t.Fail(r, "a login")
		}
		t.Probe()
	})
}
