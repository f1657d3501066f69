package text_test

import (
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi/text"
)

// A login as its two sides see it: the initiator offers, the target answers, and both end with the same parameters.
func ExampleNegotiation() {
	initiator := text.NewNegotiation(text.Initiator, text.Normal, []text.Want{
		{Key: text.KeyHeaderDigest, Offer: "CRC32C,None"},
		{Key: text.KeyMaxBurstLength, Offer: "1048576"},
	})
	target := text.NewNegotiation(text.Target, text.Normal, []text.Want{
		{Key: text.KeyHeaderDigest, Limit: "None,CRC32C"},
		{Key: text.KeyMaxBurstLength, Limit: "262144"},
	})
	offers := initiator.Offer()
	fmt.Println("initiator:", offers)
	answers, err := target.Receive(offers)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("target:   ", answers)
	if _, err := initiator.Receive(answers); err != nil {
		fmt.Println(err)
		return
	}
	p := initiator.Result()
	fmt.Println(p.HeaderDigest, p.MaxBurstLength, "open:", len(initiator.Open()))
	// Output:
	// initiator: HeaderDigest=CRC32C,None MaxBurstLength=1048576
	// target:    HeaderDigest=CRC32C MaxBurstLength=262144
	// true 262144 open: 0
}

// Text comes cut over PDUs, anywhere, and is put together within bounds.
func ExampleAssembler() {
	var a text.Assembler
	for _, part := range []struct {
		data      string
		continues bool
	}{{"TargetName=iqn.2026-01.com.exa", true}, {"mple:disks\x00TargetAddress=10.0.0.1,1\x00", false}} {
		pairs, done, err := a.Add([]byte(part.data), part.continues)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("done:", done, "pairs:", len(pairs))
	}
	// Output:
	// done: false pairs: 0
	// done: true pairs: 2
}

// The table of keys knows the rules of each.
func ExampleLookup() {
	key, _ := text.Lookup(text.KeyMaxBurstLength)
	fmt.Println(key.Name, key.Default, key.Admits("511"), key.Admits("512"))
	// Output: MaxBurstLength 262144 false true
}
