//go:build unix

package peers

import (
	"os/exec"
	"syscall"
)

// groupOfItsOwn lets killGroup reach what the program starts, and keeps a terminal's interrupt from it.
func groupOfItsOwn(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// killGroup is called only before the process was waited for, so the number is still its own.
func killGroup(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
