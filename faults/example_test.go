package faults_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"

	"github.com/iscsispec/iscsispec/faults"
)

// A fault is a value with one text form.
func ExampleParse() {
	f, err := faults.Parse("reset:nth=3,pdu=login-response,byte=20")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(f)
	_, err = faults.Parse("reset:at=soon")
	fmt.Println(err)
	// Output:
	// reset:pdu=login-response,nth=3,byte=20
	// faults: "reset:at=soon": at: got "soon", want a duration such as 1.5s, 30ms or 1m0s
}

// Hosts of a network dial and listen as on TCP, until something is made to go wrong.
func ExampleNetwork() {
	network := faults.NewNetwork(1, nil, faults.Options{})
	defer network.Close()
	listener, err := network.Host("array", "10.0.0.9").Listen("10.0.0.1:3260")
	if err != nil {
		fmt.Println(err)
		return
	}
	host, ctx := network.Host("host", "10.0.0.2"), context.Background()
	near, err := host.DialContext(ctx, "tcp", "10.0.0.1:3260")
	if err != nil {
		fmt.Println(err)
		return
	}
	far, err := listener.Accept()
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := network.Sever(faults.Everything); err != nil {
		fmt.Println(err)
		return
	}
	_, err = io.ReadAll(near)
	fmt.Println("reset:", errors.Is(err, syscall.ECONNRESET))
	far.Close()

	if err := network.Refuse(faults.Everything); err != nil {
		fmt.Println(err)
		return
	}
	_, err = host.DialContext(ctx, "tcp", "10.0.0.1:3260")
	fmt.Println("refused:", errors.Is(err, syscall.ECONNREFUSED))
	// Output:
	// reset: true
	// refused: true
}
