//go:build !unix

package gotgt

import "os/exec"

func groupOfItsOwn(*exec.Cmd) {}

// killGroup kills the child, which starts no processes.
func killGroup(cmd *exec.Cmd) { _ = cmd.Process.Kill() }
