//go:build unix

package target

import (
	"os/exec"
	"syscall"
)

// endsWithItsGroup has everything that a command starts killed with it, once it has run out of time.
func endsWithItsGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
