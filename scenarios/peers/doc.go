// Package peers starts real iSCSI software beside the project's own: the target tgt, and the tools of libiscsi-bin and qemu-utils. Two
// sides that share one codec can share one mistake; these do not.
//
// Everything runs on the loopback interface, without root, in processes and temporary directories that are gone after Stop. A
// program that is not installed is a *MissingError; tests say Need first, which skips with the reason, or fails when the environment
// variable ISCSISPEC_REQUIRE_PEERS is 1, as continuous integration sets it.
package peers
