package iscsi_test

import (
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi"
)

// A URL in libiscsi's grammar names a portal, a target and a logical unit. Secrets do not print.
func ExampleParseURL() {
	u, err := iscsi.ParseURL("iscsi://user%secret-of-user@[fe80::1]:3261/iqn.2026-01.com.example:disks/5")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(u.Portal, u.Target, u.LUN, u.User, u.Password)
	// Output: [fe80::1]:3261 iqn.2026-01.com.example:disks 5 user [redacted]
}

// What cannot be used is a typed error that says what was expected.
func ExampleParseTargetAddress() {
	for _, s := range []string{"10.0.0.1:3260,1", "[2001:db8::5],2", "array.example", "10.0.0.1:99999"} {
		a, err := iscsi.ParseTargetAddress(s)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(a.HostPort(), a.Tag)
	}
	// Output:
	// 10.0.0.1:3260 1
	// [2001:db8::5]:3260 2
	// array.example:3260 0
	// address "10.0.0.1:99999": expected a port from 1 to 65535, got "99999"
}

// Serial numbers wrap: the one after the largest is the larger one.
func ExampleSNLess() {
	fmt.Println(iscsi.SNLess(0xffffffff, 0), iscsi.SNLess(0, 0xffffffff))
	// Output: true false
}

// A random ISID of an initiator port, and what it says of itself.
func ExampleRandomISID() {
	id := iscsi.RandomISID(0x123456, 7)
	fmt.Println(id)
	// Output: 801234560007
}
