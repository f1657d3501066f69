package chap_test

import (
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi/chap"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

// Mutual authentication, step by step. In earnest, identifiers and challenges are drawn from crypto/rand for each login.
func Example() {
	host := chap.Credentials{Name: "host", Secret: "secret-of-the-host"}
	disk := chap.Credentials{Name: "disk", Secret: "secret-of-the-disk"}
	initiator := chap.Initiator{
		Own: host, Peer: disk, Algorithms: []chap.Algorithm{chap.SHA256, chap.MD5}, Identifier: 1, Challenge: []byte("sixteen random 1"),
	}
	target := chap.Target{
		Peer: func(name string) (chap.Credentials, bool) { return host, name == host.Name },
		Own:  disk, Algorithms: []chap.Algorithm{chap.SHA256}, Identifier: 2, Challenge: []byte("sixteen random 2"),
	}
	for request := initiator.Start(); request != nil; {
		names("initiator", request)
		response, err := target.Step(request)
		if err != nil {
			fmt.Println(err)
			return
		}
		names("target", response)
		if request, err = initiator.Step(response); err != nil {
			fmt.Println(err)
			return
		}
	}
	fmt.Println(initiator.Algorithm(), initiator.Done(), target.Done(), target.Mutual())
	// Output:
	// initiator: CHAP_A
	// target: CHAP_A CHAP_I CHAP_C
	// initiator: CHAP_N CHAP_R CHAP_I CHAP_C
	// target: CHAP_N CHAP_R
	// SHA-256 true true true
}

// names prints the keys of a message; the values are long.
func names(side string, pairs text.Pairs) {
	fmt.Print(side, ":")
	for _, p := range pairs {
		fmt.Print(" ", p.Key)
	}
	fmt.Println()
}
