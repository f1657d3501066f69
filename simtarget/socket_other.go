//go:build !linux

package simtarget

// canTry says that there is no way here to read without memory and to write without waiting.
const canTry = false

type vector struct{}

func tryRead(uintptr, []byte) (n int, again bool, err error) { return 0, false, nil }

func (*batch) tryWrite(uintptr) (left bool, err error) { return true, nil }
