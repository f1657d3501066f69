// Package integrity judges what became of data: whether the requests of a run, seen block by block, could have been executed one at a time,
// each at some instant between its invocation and its acknowledgement (linearizability), and whether every request got an answer.
//
// What is judged is any run of package sessions, so a plan is a sessions.Plan: requesters are asynchronous lists of steps that share
// blocks, every write writes bytes of its own, and reads carry Content, so that the trace tells which write each block that was read came from.
//
//	run, err := sessions.Execute(plan, sessions.Options{T: t, Seed: seed})
//	report := integrity.Judge(run, time.Second)
//	if report.Violated() {
//		fmt.Println(report, integrity.ReplayLine(plan, seed))
//		err = report.Picture(file) // porcupine's own visualisation
//	}
//
// # What is held
//
//   - A block reads as some order of the writes explains it. A write that was acknowledged was executed once between its invocation and its
//     acknowledgement. Of a write that ended otherwise nobody knows: it may have been executed at any time from its invocation on, or
//     not at all. A write whose connection was lost before the answer goes out again (contract C7 of the catalogue), and until it has ended
//     nothing that overlaps it is sent (RuleDoubt), so that nobody can tell whether it was executed once or twice. Two cases remain in which each of
//     its sendings may show as an execution of its own: another write of the block was with the target as well before the loss was known, or
//     the write was given up after it was sent again. Report.Overtaken tells where that is the only explanation: whoever needs more has to
//     wait for the one before sending the other, as SAM-5 has it for tasks with the SIMPLE attribute, which have no order. One that the
//     initiator refused to take (QUEUE-FULL, NOT-SUPPORTED) was not executed. Blocks of one request are judged each by itself: SCSI promises
//     nothing about several.
//   - A block holds all bytes of one write or none: a torn block is a value that nobody wrote.
//   - Every request ends exactly once: one that waits still when its device left the stack, or when its session was logged off, was forgotten.
//
// A history that takes too long to judge is inconclusive, never sound.
package integrity
