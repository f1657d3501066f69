// Package initiator is an iSCSI initiator (RFC 7143) in two layers.
//
// The lower layer is the Session: Login dials a portal, follows redirects, authenticates, negotiates and
// hands out a Session in full feature phase, which carries SCSI requests, task management, text, pings and
// the logout until its one connection ends. A Session never comes back: when it is over, its Done channel
// closes, and Loss tells why and how long to wait before another login.
//
// The upper layer is the Manager, which keeps sessions alive over lost connections, remembers devices, answers
// from its cache and queues requests meanwhile.
//
// Time is the standard library's; inside a testing/synctest bubble everything here runs on the bubble's clock.
// The order of bytes on a connection is the order in which requests were submitted.
package initiator
