//go:build unix

package initiator

import (
	"os/exec"
	"syscall"
)

// groupOfItsOwn lets killGroup reach what the command starts, and keeps a terminal's interrupt from it.
func groupOfItsOwn(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// killGroup is called only before the process was waited for, so the number is still its own.
func killGroup(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

// crashSignal names the signal of a process that a fault of its own has ended.
func crashSignal(exit *exec.ExitError) string {
	status, ok := exit.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() {
		return ""
	}
	switch s := status.Signal(); s {
	case syscall.SIGSEGV, syscall.SIGABRT, syscall.SIGBUS, syscall.SIGFPE, syscall.SIGILL:
		return s.String()
	}
	return ""
}
