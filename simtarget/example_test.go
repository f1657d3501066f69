package simtarget_test

import (
	"fmt"
	"log"

	"github.com/iscsispec/iscsispec/simtarget"
)

// An array is made from a profile, put on listeners, and told what to do.
func Example() {
	profile, err := simtarget.ParseProfile("two-disks.yaml", []byte(`
name: two-disks
portals:
  - {name: A, address: "10.0.0.1:3260", tag: 1}
targets:
  - name: iqn.2026-01.com.example:disks
    luns:
      - {number: 0, size: 64MiB}
      - {number: 5, size: 8MiB}
`))
	if err != nil {
		log.Fatal(err)
	}
	array, err := simtarget.New(profile, simtarget.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer array.Close()
	if err := array.Start(simtarget.ListenLoopback); err != nil { // In a bubble: a host of faults.Network, and its Listen.
		log.Fatal(err)
	}
	for _, u := range array.URLs() {
		fmt.Println(u.Target, "LUN", u.LUN)
	}
	// From now on, every login is refused as if the array were out of resources.
	err = array.Apply(simtarget.Action{Login: &simtarget.LoginRule{Status: 0x0302, Times: simtarget.Times{Next: simtarget.Always}}})
	fmt.Println(err)
	// Output:
	// iqn.2026-01.com.example:disks LUN 0
	// iqn.2026-01.com.example:disks LUN 5
	// <nil>
}

// A profile that cannot be is an error that says where.
func ExampleParseProfile() {
	_, err := simtarget.ParseProfile("bad.yaml", []byte("name: bad\nportals:\n  - {name: A, address: \"nowhere\", tag: 1}\n"))
	fmt.Println(err)
	// Output: profile bad.yaml, line 3, portals[0].address: portal address "nowhere", want ip:port
}
