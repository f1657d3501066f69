package faults_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"

	"github.com/iscsispec/iscsispec/faults"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/trace"
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

// A placed fault strikes the PDUs that its predicate admits; each verb takes its own fields, and the error says what was wanted.
func ExampleParsePredicate() {
	p, err := faults.ParsePredicate("itt=17&!final&length>=0x200")
	fmt.Println(p, err)
	_, err = faults.ParsePredicate("cmdsn")
	fmt.Println(err)
	_, err = faults.Parse("drop:pdu=r2t,if=csg=1")
	fmt.Println(err)
	// Output:
	// itt=0x11&!final&length>=512 <nil>
	// faults: "cmdsn": cmdsn: got "cmdsn", want =, !=, <, <=, > or >= and a number behind it
	// faults: "drop:pdu=r2t,if=csg=1": if: got csg=1, want a field of a r2t
}

// A carrier asks an armed fault about each PDU that may match, and carves the bytes of those that it strikes.
func ExampleCarve() {
	f, err := faults.Parse("truncate:pdu=nop-out,nth=2,byte=48")
	if err != nil {
		fmt.Println(err)
		return
	}
	armed, err := faults.Arm(f, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 3 {
		ping := pdu.FrameOf(&pdu.NOPOut{ITT: 1, TTT: pdu.ReservedTag, Data: []byte("are you there?")})
		wire, digests := ping.Append(nil, pdu.Digests{}), pdu.Digests{}
		if _, may := armed.May(faults.ToTarget, ping.Opcode()); may && armed.Strikes(ping.BHS[:], ping.Data) {
			at, _ := f.Byte.Locate(wire, digests, len(wire), true)
			carved := faults.Carve([]*faults.Strike{{Armed: armed, At: at}}, wire, 0, true)
			fmt.Println(len(wire), "bytes:", len(carved.Segments[0]), "of them travel")
			continue
		}
		fmt.Println(len(wire), "bytes: all travel")
	}
	// Output:
	// 64 bytes: all travel
	// 64 bytes: 48 of them travel
	// 64 bytes: all travel
}

// Places lists where a recorded run could be cut, and CutKinds how.
func ExamplePlaces() {
	log := trace.NewLog()
	near, far := net.Pipe()
	go func() { _, _ = io.Copy(io.Discard, far) }()
	tapped := log.Tap(near, trace.NodeInitiator, "a")
	if _, err := tapped.Write(pdu.Encode(nil, &pdu.NOPOut{ITT: 1, Data: []byte("ping!")}, pdu.Digests{})); err != nil {
		fmt.Println(err)
	}
	places := faults.Places(log.Events())
	tapped.Close()
	for _, p := range places[len(places)-7:] {
		f, _ := p.Fault(faults.CutKinds()[0])
		fmt.Println(p.Class, f)
	}
	// Output:
	// data reset:pdu=nop-out,byte=data+1
	// data reset:pdu=nop-out,byte=data+2
	// data reset:pdu=nop-out,byte=data+4
	// data reset:pdu=nop-out,byte=data+5
	// padding reset:pdu=nop-out,byte=padding+1
	// padding reset:pdu=nop-out,byte=padding+2
	// end reset:pdu=nop-out,byte=end
}

// A plan counts what fired; what never did has proved nothing.
func ExampleInjection_Unfired() {
	network := faults.NewNetwork(1, nil, faults.Options{})
	defer network.Close()
	plan, err := faults.ParsePlan("refuse:at=0s\nthrottle:at=0s,rate=1000\ndrop:pdu=r2t,chance=0.5")
	if err != nil {
		fmt.Println(err)
		return
	}
	injection, err := network.Run(plan)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, f := range injection.Unfired() {
		fmt.Println(f)
	}
	// Output:
	// throttle:at=0s,rate=1000
	// drop:pdu=r2t,chance=0.5
}
