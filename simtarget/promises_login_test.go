package simtarget

import (
	"testing"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// What the profile portal-group-redirect says about requests that it refuses holds on the wire.
func TestPortalGroupRedirectRefuses(t *testing.T) {
	refused := func(name string, want iscsi.Status, f func(p *peer) *pdu.LoginResponse) {
		t.Run(name, func(t *testing.T) {
			inBubble(t, "portal-group-redirect", nil, nil, func(b *bench) {
				if got := iscsi.Status(f(b.dial("B")).Status()); got != want {
					b.Errorf("%v, want %v", got, want)
				}
			})
		})
	}
	refused("the C bit", 0x0300, func(p *peer) *pdu.LoginResponse {
		q := p.request(pdu.StageOperational, pdu.StageFullFeature, false, p.names())
		q.Continue = true
		p.send(q)
		return get[*pdu.LoginResponse](p)
	})
	second := func(change func(q *pdu.LoginRequest)) func(p *peer) *pdu.LoginResponse {
		return func(p *peer) *pdu.LoginResponse {
			p.ask(pdu.StageOperational, pdu.StageFullFeature, false, p.names())
			q := p.request(pdu.StageOperational, pdu.StageFullFeature, true, nil)
			change(q)
			p.send(q)
			return get[*pdu.LoginResponse](p)
		}
	}
	refused("a CmdSN that moves", iscsi.StatusInitiatorError, second(func(q *pdu.LoginRequest) { q.CmdSN++ }))
	refused("a wrong ExpStatSN", iscsi.StatusInitiatorError, second(func(q *pdu.LoginRequest) { q.ExpStatSN += 5 }))
	refused("nothing", 0, second(func(*pdu.LoginRequest) {}))
}
