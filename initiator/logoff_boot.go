package initiator

import "fmt"

// BootDeviceError refuses a logoff that would take away the device that the system runs from.
type BootDeviceError struct {
	// ID is the boot session, Device the name of its boot device.
	ID     SessionID
	Device string
}

// Error names session and device, and the way out.
func (e *BootDeviceError) Error() string {
	return fmt.Sprintf("session %s is the last path to boot device %s: log off by force, or add another session to it first", e.ID, e.Device)
}

// mayLogOff refuses the logoff of a boot session while that is the last path to its boot device, whether connected or not. Once the
// device has left the stack there is nothing to protect any more.
func (m *Manager) mayLogOff(id SessionID) error {
	s, err := m.find(id)
	if err != nil || s.kind != Boot {
		return nil // Whoever logs off meets the error.
	}
	var device string
	s.ask(func() {
		if name := s.deviceName(s.spec.BootLUN); name != "" && !s.ending && m.stack.lastSession(name) {
			device = name
		}
	})
	if device == "" {
		return nil
	}
	if m.dev.Manager.BootRefusedLate {
		s.inbox.post(func() { s.logOff(func(error) {}) })
	}
	return &BootDeviceError{ID: id, Device: device}
}
