//go:build unix

package gotgt

import (
	"os/exec"
	"syscall"
)

// groupOfItsOwn keeps signals for the parent's group, such as a terminal's interrupt, from the child.
func groupOfItsOwn(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// killGroup kills the child and whatever it started. It is called only before the child was waited for, so the number is still its own.
func killGroup(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
