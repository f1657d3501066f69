//go:build !linux

package gotgt

import "errors"

// tieToLoopback has no means here.
func tieToLoopback(string) error {
	return errors.New("a listening socket cannot be tied to a device on this system")
}
