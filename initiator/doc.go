// Package initiator is an iSCSI initiator (RFC 7143) in two layers: sessions, and a manager that keeps them.
//
//	session, err := initiator.Login(ctx, &net.Dialer{}, initiator.LoginConfig{
//		InitiatorName: "iqn.2026-01.com.example:host",
//		TargetName:    "iqn.2026-01.com.example:disks",
//		Portal:        iscsi.Address{Host: "10.0.0.1"},
//		ISID:          iscsi.RandomISID(0x123456, 0),
//	})
//	...
//	read := &initiator.Request{LUN: uint64(scsi.LUNOf(0)), CDB: scsi.Read10(0, 8), Read: make([]byte, 4096)}
//	err = session.Do(ctx, read)
//	...
//	err = session.Logout(ctx)
//
// # Sessions
//
// Login dials a portal, follows redirects, authenticates, negotiates and hands out a [Session] in full feature phase. It carries SCSI
// requests, task management, text, pings and the logout, over one connection or several (Session.AddConnection). What is lost on the way is
// recovered as far as the negotiated ErrorRecoveryLevel goes: within commands and connections at level 1, by further connections at level
// 2. A Session never comes back: when it is over, its Done channel closes, and Loss tells why and how long to wait before another login.
//
// What a login offers is [LoginConfig]: the credentials of one-way or mutual CHAP, digests, the keys and their order. The zero value of a
// field is the default, and the defaults suit most targets.
//
// A discovery session (Type: DiscoverySession) answers one question, which targets there are and where: Session.SendTargets. Session.Units
// asks a target for its logical units.
//
// # Requests
//
// A [Request] is one SCSI command with its data and its outcome. Session.Submit returns at once, and the request's Done is called when it is
// over; Session.Do waits. Data goes straight between the connection and the request's memory, which belongs to the session meanwhile. A
// Request that is used again costs no allocation, and as many may be under way as the target's command window lets. Requests are sent
// in the order of submission.
//
// Err tells whether there is an answer at all, Status what the target said: a command that ends with CHECK CONDITION has Err nil, Status 2
// and Sense. [Disk] does all that for who wants to read and write a disk as a file.
//
// # The Manager
//
// A [Manager] keeps sessions alive over lost connections: it logs in again, every 5 s unless told otherwise, for as long as it takes. A
// session keeps its ID meanwhile. Units that are seen through data sessions are devices, which have a name from what they say of
// themselves and stay for a while without a session (60 s). Requests that find the link down wait in a bounded queue, and go out in their
// order when it is back; INQUIRY and REPORT LUNS are answered from what is remembered. Sessions that reach one device are its paths.
// What the Manager decides where the rules leave a choice is written down in docs/session-manager.md, each with its reason.
//
// A [Profile] makes Manager and logins behave as one of those fielded initiators does.
//
// # Errors
//
// Outcomes are told apart by errors.Is: ErrTransportLost, ErrAuthFailed, ErrTimeout, ErrQueueFull and so on; OutcomeOf names them. What the
// target did wrong is a *[ProtocolError] or a *[LoginError], with what was expected, what came, and the clause.
//
// # Time and order
//
// Time is the standard library's; inside a testing/synctest bubble everything here runs on the bubble's clock, and the same seed gives the
// same bytes in the same order (TestManagerOutlivesAnOutage shows how).
//
// # Breaking rules
//
// [Deviations] are the named faults of this initiator, for those who test what targets make of them, and for the proof that checks of
// initiators notice. The zero value is sound.
package initiator
