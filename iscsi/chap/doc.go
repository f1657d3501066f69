// Package chap holds the CHAP authentication of iSCSI logins (RFC 7143, Section 12.1.3): its algorithms, its binary
// values in hexadecimal and base64, and both sides as pure step machines without sockets or randomness of their own.
//
// The initiator sends CHAP_A, gets CHAP_A, CHAP_I and CHAP_C, and sends CHAP_N and CHAP_R, in mutual authentication with
// CHAP_I and CHAP_C of its own, which the target answers with CHAP_N and CHAP_R. What a side draws at random, the caller
// hands it: a challenge never repeats unless the caller repeats itself.
//
// Secrets are iscsi.Secret and print as "[redacted]"; an error never holds one, nor a response that was expected.
//
// # First use
//
//	i := chap.Initiator{Own: chap.Credentials{Name: "host", Secret: "secret-of-the-host"}}
//	for message := i.Start(); message != nil; {
//		response := exchange(message) // One Login Request and its answer.
//		if message, err = i.Step(response); err != nil {
//			return err
//		}
//	}
//	// i.Done() tells whether the target is believed.
package chap
