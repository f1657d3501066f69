package initiator

import (
	"context"
	"net"
	"sync/atomic"
	"syscall"

	"github.com/iscsispec/iscsispec/iscsi"
)

// TCPDialer dials over TCP with options. Where the system has no such option, or refuses it, the dialling fails.
type TCPDialer struct {
	// Options hold for the connections that are dialled from then on.
	Options iscsi.TCPOptions

	turn atomic.Uint32 // Of the interfaces.
}

// DialContext opens a connection.
func (d *TCPDialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	o := &d.Options
	dialer := net.Dialer{}
	if o.KeepIdle > 0 || o.KeepInterval > 0 || o.KeepCount > 0 {
		dialer.KeepAliveConfig = net.KeepAliveConfig{Enable: true, Idle: o.KeepIdle, Interval: o.KeepInterval, Count: o.KeepCount}
	}
	iface := ""
	if n := uint32(len(o.Interfaces)); n > 0 {
		iface = o.Interfaces[(d.turn.Add(1)-1)%n]
	}
	if o.UserTimeout > 0 || o.SYNCount > 0 || iface != "" {
		dialer.Control = func(_, _ string, raw syscall.RawConn) error {
			var err error
			if outer := raw.Control(func(fd uintptr) { err = setTCPOptions(fd, o, iface) }); outer != nil {
				return outer
			}
			return err
		}
	}
	return dialer.DialContext(ctx, network, address)
}
