//go:build !unix

package initiator

// canTryWrite says that there is no way here to write to a socket without waiting.
const canTryWrite = false

func tryWrite(uintptr, []byte) int { return 0 }
