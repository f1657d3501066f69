// Package proxy carries the faults of package faults to TCP: it stands in front of a real array, or of any array before a real initiator.
//
// A [Proxy] listens once for each portal that it stands for and dials the array for each connection that comes. It follows the PDUs of both
// directions, with the digests that the login agrees on, so that faults strike where their text says: the same [faults.Fault] values mean the
// same here as in the in-memory network, and the same matcher places them. While no fault is in its way, what one end sends reaches the other
// byte by byte, as soon as it comes, and an end that reads slowly holds the other end back.
//
// # Portals
//
// What a target says of its portals (TargetAddress in the answer to SendTargets, and in a redirection) is replaced by addresses of the proxy, so
// that the initiator stays behind it: each portal that is named gets a listener of its own, the same one whenever it is named again. Lengths and
// digests of the PDU are made right; a PDU whose digest was wrong when it came is left alone. Text that is continued over several PDUs is
// followed over their borders. Where the last of them has no room for a longer address, the name stays as it is, and a notice tells it.
//
// # What TCP cannot do
//
// A process cannot take a TCP handshake back. A portal that is silent or blackholed therefore accepts connections and answers nothing on
// them; the array is dialled when the portal heals, and what the initiator has sent meanwhile reaches it then. A portal that refuses does not
// listen, so that initiators see ECONNREFUSED, and nobody can count them; Options.RefuseByReset accepts and resets instead, which can be
// counted, and is also what happens where the scope of a refuse is less than a portal. A reset is a close with SO_LINGER 0.
//
// A portal that moves (the verb move) is dialled at its new address from then on, and its open connections are reset.
//
// # Names
//
// A connection is called as in the in-memory network: "10.0.0.1:3260#2" is the second one to that portal of the array. In scopes a portal may
// also be called by the address where the proxy stands for it; the host of a scope is the initiator's address or the array's.
//
// # Trace
//
// The initiator's end is recorded by the node "proxy" under the connection's name, the array's end under that name and "/array". A "dial" of the
// node "initiator" is a connection that an initiator has asked for, "dial-failed" one that was not let in; "link" and "fault" events are as
// package faults describes them.
//
// # First use
//
//	p, err := proxy.New(proxy.Options{To: []proxy.To{{Array: iscsi.Address{Host: "10.0.0.1"}}}, Seed: 7})
//	defer p.Close()
//	plan, err := faults.ParsePlan("reset:pdu=login-response,nth=3,byte=20\nrefuse:at=12s,for=60s")
//	err = p.Run(plan)
//	fmt.Println(p.Portals()[0].Address) // Initiators go here.
//	...
//	for _, c := range p.Counts() {
//		fmt.Println(c.Fault, c.Fired)
//	}
package proxy
