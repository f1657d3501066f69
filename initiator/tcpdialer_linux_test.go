package initiator

import (
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
)

func TestTCPDialerSetsOptions(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	d := &TCPDialer{Options: iscsi.TCPOptions{
		KeepIdle: 31 * time.Second, KeepInterval: 11 * time.Second, KeepCount: 4, UserTimeout: 45 * time.Second, SYNCount: 3,
	}}
	nc, err := d.DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	raw, err := nc.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for option, want := range map[int]int{
		syscall.TCP_KEEPIDLE: 31, syscall.TCP_KEEPINTVL: 11, syscall.TCP_KEEPCNT: 4, tcpUserTimeout: 45000, syscall.TCP_SYNCNT: 3,
	} {
		var got int
		_ = raw.Control(func(fd uintptr) { got, err = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, option) })
		if err != nil || got != want {
			t.Errorf("option %d: got %d, %v, want %d", option, got, err, want)
		}
	}
	d.Options.Interfaces = []string{"no-such-if"}
	if nc, err := d.DialContext(t.Context(), "tcp", l.Addr().String()); err == nil {
		nc.Close()
		t.Error("bound to an interface that does not exist")
	}
}
