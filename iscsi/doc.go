// Package iscsi holds the words of the iSCSI protocol that are not PDUs: node names, ISIDs, portal addresses, iscsi://
// URLs, login status codes and serial-number arithmetic.
//
// Everything here is a value or a pure function: no sockets, no clock, no environment. The neighbours below it are
// iscsi/pdu (the wire format), iscsi/text (key=value text and negotiation) and iscsi/chap (authentication).
//
// Clauses are cited as in "RFC 7143, Section 11.12.5".
//
// # First use
//
//	u, err := iscsi.ParseURL("iscsi://10.0.0.1/iqn.2026-01.com.example:disks/0")
//	...
//	fmt.Println(u.Portal.HostPort(), u.Target, u.LUN) // 10.0.0.1:3260 iqn.2026-01.com.example:disks 0
package iscsi
