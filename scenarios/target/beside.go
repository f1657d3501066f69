package target

// beside lists the checks that run side by side at a target on the network, with the sessions that each has at once at most. They are those
// that wait long. All of them
//
//   - have sessions of their own, under ISIDs of their own;
//   - do nothing that reaches beyond the I_T nexus: no reset and no CLEAR TASK SET, no reservation, no task that others have to wait for, and
//     nothing that a sound target might not bear;
//   - count nothing that belongs to all, such as the sessions that are left, and measure no speed;
//   - compare no data of the logical unit, so that others may write there.
//
// A check that is not listed runs alone.
var beside = map[string]int{
	"discovery.restrictions.unsolicited-pdus":                       1,
	"ffp-sequencing.cmdsn.gap-holds-later-commands":                 1,
	"nop.no-response.reserved-itt":                                  1,
	"nop.response.reserved-ttt-in-answer":                           1,
	"nop.unsolicited.format":                                        1,
	"nop.unsolicited.information-only":                              1,
	"nop.unsolicited.unanswered-ping-drop":                          2,
	"recovery.connection-reinstatement.tasks-ended-below-level-two": 1,
	"recovery.session-continuation.after-retain-expired":            1,
	"reject.format.no-reject-of-reject-loop":                        1,
	"robustness.ffp.half-close":                                     1,
	"robustness.login.half-open-timeout":                            4,
	"robustness.pdu.write-with-no-data-ever":                        1,
	"session-management.clone.different-isid-defined-outcome":       2,
	"session-management.clone.same-isid-is-not-a-clone":             2,
	"text.failure.abandoned-has-no-effect":                          1,
	"tmf.abort-task-set.response-after-tasks":                       1,
	"tmf.abort-task.completed-task":                                 1,
	"tmf.abort-task.read-in-progress":                               1,
	"tmf.abort-task.running-task":                                   1,
	"tmf.immediate.with-other-immediate-command":                    1,
	"tmf.response-fence.holds-following-status":                     1,
	"tmf.response-fence.negotiated-semantics":                       1,
	"tmf.multi-task.no-r2t-after-response":                          1,
}
