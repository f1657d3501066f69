package iscsi

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// maxInterfaceName is the longest name of a network interface, in bytes.
const maxInterfaceName = 15

// TCPOptions are settings of the TCP connections to a target that libiscsi takes from the environment. The zero value of a field leaves the
// system's own.
type TCPOptions struct {
	// KeepIdle is the idle time after which the system probes a silent peer, KeepInterval the time between two probes, both in whole
	// seconds; KeepCount is how many of them may go unanswered.
	KeepIdle, KeepInterval time.Duration
	KeepCount              int
	// UserTimeout is how long sent data may stay unacknowledged, in whole milliseconds.
	UserTimeout time.Duration
	// SYNCount is how often a SYN is sent again.
	SYNCount int
	// Interfaces are the network interfaces that connections are bound to, in turn.
	Interfaces []string
}

// EnvironmentError says that an environment variable has a value that it cannot have.
type EnvironmentError struct {
	// Name is the variable's, Got its value, Want what it may be.
	Name, Got, Want string
}

// Error names the variable, its value and what it may be.
func (e *EnvironmentError) Error() string {
	return fmt.Sprintf("environment variable %s: got %q, want %s", e.Name, e.Got, e.Want)
}

// TCPOptionsFromEnvironment reads ISCSISPEC_TCP_KEEPIDLE, _KEEPINTVL, _KEEPCNT, _USER_TIMEOUT and _SYNCNT, and ISCSISPEC_BIND_INTERFACES, a
// list with commas, and where one is unset libiscsi's LIBISCSI_ name with the same ending and unit: seconds, milliseconds for the user
// timeout. lookup is os.Getenv or a stand-in. Errors are *EnvironmentError.
func TCPOptionsFromEnvironment(lookup func(string) string) (TCPOptions, error) {
	e := environment{lookup: lookup}
	o := TCPOptions{
		KeepIdle:     time.Duration(e.number("TCP_KEEPIDLE", 32767)) * time.Second,
		KeepInterval: time.Duration(e.number("TCP_KEEPINTVL", 32767)) * time.Second,
		KeepCount:    e.number("TCP_KEEPCNT", 127),
		UserTimeout:  time.Duration(e.number("TCP_USER_TIMEOUT", 1<<31-1)) * time.Millisecond,
		SYNCount:     e.number("TCP_SYNCNT", 127),
		Interfaces:   e.list("BIND_INTERFACES"),
	}
	if e.err != nil {
		return TCPOptions{}, e.err
	}
	return o, nil
}

// environment reads variables; the first error counts.
type environment struct {
	lookup func(string) string
	err    error
}

// value returns a variable's name and value, under our prefix or libiscsi's.
func (e *environment) value(ending string) (name, value string) {
	name = "ISCSISPEC_" + ending
	if value = e.lookup(name); value != "" {
		return name, value
	}
	name = "LIBISCSI_" + ending
	return name, e.lookup(name)
}

// number reads a number up to most; an unset variable is 0.
func (e *environment) number(ending string, most int) int {
	name, value := e.value(ending)
	if value == "" {
		return 0
	}
	n, err := strconv.ParseUint(value, 10, 31)
	if (err != nil || n > uint64(most)) && e.err == nil {
		e.err = &EnvironmentError{Name: name, Got: value, Want: fmt.Sprintf("a number from 0 to %d", most)}
	}
	return int(n)
}

// list reads names with commas between them.
func (e *environment) list(ending string) []string {
	name, value := e.value(ending)
	if value == "" {
		return nil
	}
	names := strings.Split(value, ",")
	for _, one := range names {
		if (one == "" || len(one) > maxInterfaceName || strings.ContainsAny(one, "/ \t\x00")) && e.err == nil {
			e.err = &EnvironmentError{Name: name, Got: value, Want: "names of network interfaces with commas between them"}
		}
	}
	return names
}
