//go:build !linux

package initiator

import (
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi"
)

// setTCPOptions refuses what net.Dialer cannot set.
func setTCPOptions(uintptr, *iscsi.TCPOptions, string) error {
	return fmt.Errorf("user timeout, SYN count and interface of a connection: %w", ErrNotSupported)
}
