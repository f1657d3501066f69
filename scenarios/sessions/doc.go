// Package sessions checks the session manager of an initiator before simulated arrays: reconnecting, the constant session ID, devices
// that stay while the link is down, cache and queue, redirects, sessions added and removed.
//
// # How a check works
//
// A [Check] is one or several [Plan] values and a judge. Each plan is run in a bubble of its own, on virtual time, and leaves a [Run]: the trace, and
// how often each planned fault fired. The judge, a pure function of the runs, says what it expected and what it saw. A check names its
// [Defect] list: how the initiator has to be broken so that the check fails. CHECKS.md beside this file walks through one.
//
// # Plans
//
// A plan is plain data: arrays, the initiator's settings, steps, faults, an end. It prints as YAML and reads back ([Plan.String], [ParsePlan]). What
// it leaves out has the default that a user would get; a check of a default must leave it out.
//
// Arrays: [Array]{} is the catalogue's BASE. Portals are called A, B, C ... over all arrays ([PortalAddress]); targets are
// [TargetName](1), (2) ...; initiator ports are numbered from 1.
//
// A [Step] has a Label, a time (At, After, or both), and an op in Do. Async steps go on beside the driver. The ops:
//
//	sessions  Login LoginAll AddSession Logout RemoveSession Discover Ping SendText ListSessions ListDevices Set Restart
//	commands  Read Write Probe Inquiry ReportLUNs ReadCapacity TestUnitReady SynchronizeCache RawCDB
//	many      Submit (N requests one by one)  Load (workers for a while)  Poll (one op over and over)  Repeat (steps over and over)
//	tasks     AbortTask LUNReset
//	links     Sever Fin Refuse Blackhole Silence Delay Heal Inject (any fault of package faults, by instant or protocol position)
//	array     ArrayOp: any simtarget.Action, on all sessions or on one
//	time      Wait WaitFor
//
// The label of a Login, AddSession, LoginAll or Restart is the handle of the session; ops without Session use the latest one. LoginAll and Restart give
// handles label.1, label.2 ...
//
// # Runs
//
// Views of a [Run], all in order of time:
//
//	Op Ops AllOps At Session     what the driver asked for, with instants, outcomes, data, rows of listings
//	Dials                        TCP connections asked for, with their logins: keys, ISID, TSIH, statuses
//	PDUs ArrayPDUs Commands      what passed the wire at either end; SCSI Commands with their CDBs parsed; BeyondWindow
//	States Entered Lost Regained the local sessions' states over time; IDs
//	Devices                      arrivals and removals in the device stack
//	Requests MostQueued          the life of requests inside the session manager
//	Array ArraySessions Executed Live   the arrays' own view: their sessions, the commands they executed
//
// [OpRun.Sessions], [OpRun.SessionRow], [OpRun.Devices] and [OpRun.DevicesOf] read listings. The rest of the trace is in Run.Events.
//
// # Judges
//
// A [Judge] collects findings: Want, WantOneOf, Equal, Count, Instant, Within, Took, Outcome, Outcomes, None; Lenient for what a row calls a warning, Unclear
// where the situation did not come about. Every expectation leaves a finding; no finding at all is a failure. Judges have constants of their
// own and never import a default of the initiator.
//
// A run that runs away (an initiator that logs in without a pause) is ended once its trace has 150,000 events; what it left is judged.
//
// A run in which a step was late or could not be done, or a planned fault never fired, makes a pass inconclusive. It never hides
// a failure.
//
// # Determinism
//
// The same seed and plan leave the same trace, byte for byte. The driver acts at instants of its own ([faults.Grain]), lets everything else
// come to rest after each step, and records the end of a command from its completion, in the order in which requesters were told.
package sessions
