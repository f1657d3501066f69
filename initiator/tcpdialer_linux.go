package initiator

import (
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
)

// tcpUserTimeout is TCP_USER_TIMEOUT, which package syscall does not name.
const tcpUserTimeout = 18

// setTCPOptions sets what net.Dialer cannot.
func setTCPOptions(fd uintptr, o *iscsi.TCPOptions, iface string) error {
	if iface != "" {
		if err := syscall.BindToDevice(int(fd), iface); err != nil {
			return fmt.Errorf("binding to interface %s: %w", iface, os.NewSyscallError("setsockopt", err))
		}
	}
	for _, option := range []struct{ number, value int }{
		{tcpUserTimeout, int(o.UserTimeout / time.Millisecond)}, {syscall.TCP_SYNCNT, o.SYNCount},
	} {
		if option.value == 0 {
			continue
		}
		if err := syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, option.number, option.value); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	return nil
}
