package gotgt

import (
	"errors"
	"fmt"
	"strconv"
	"syscall"
)

// maxDescriptors bounds the search for the listening socket: a child that has just started has a handful of descriptors.
const maxDescriptors = 256

// tieToLoopback lets the process's socket that listens on the port take connections from the loopback device only. gotgt keeps the
// socket to itself, so it is looked for among the process's descriptors.
func tieToLoopback(port string) error {
	want, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	for fd := 3; fd < maxDescriptors; fd++ {
		name, err := syscall.Getsockname(fd)
		if err != nil {
			continue // no socket
		}
		if listensOn(name) == want {
			if err := syscall.BindToDevice(fd, "lo"); err != nil {
				return fmt.Errorf("bind to the loopback device: %w", err)
			}
			return nil
		}
	}
	return errors.New("the listening socket was not found")
}

func listensOn(name syscall.Sockaddr) int {
	switch a := name.(type) {
	case *syscall.SockaddrInet4:
		return a.Port
	case *syscall.SockaddrInet6:
		return a.Port
	}
	return 0
}
