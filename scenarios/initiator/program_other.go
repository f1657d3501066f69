//go:build !unix

package initiator

import "os/exec"

func groupOfItsOwn(*exec.Cmd) {}

func killGroup(cmd *exec.Cmd) { _ = cmd.Process.Kill() }

func crashSignal(*exec.ExitError) string { return "" }
