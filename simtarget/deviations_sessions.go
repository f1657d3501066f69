package simtarget

// RecoveryDeviations are faults of reinstatement and of what is left after a loss.
type RecoveryDeviations struct {
	// ServeReplacedConnection goes on serving a connection that another one with its CID has replaced.
	ServeReplacedConnection bool
	// ContinueTasks goes on with the tasks of a replaced connection.
	ContinueTasks bool
	// KeepReplacedSession keeps a session beside the one that reinstated it.
	KeepReplacedSession bool
	// KeepExpCmdSN begins a reinstated session with the ExpCmdSN of the old one.
	KeepExpCmdSN bool
	// CompleteWithZeros completes held writes with zeros when their session ends.
	CompleteWithZeros bool
	// CloseOnFirstRequest ends the old session when the first Login Request arrives.
	CloseOnFirstRequest bool
	// NeverExpire keeps lost sessions for ever.
	NeverExpire bool
	// RefuseUntilKeepAlive refuses the ISID of a session whose connection was lost.
	RefuseUntilKeepAlive bool
	// LoseAcknowledgedData answers GOOD before data is stored, and loses the last write with the connection.
	LoseAcknowledgedData bool
}

// SessionDeviations are faults of session management.
type SessionDeviations struct {
	// OneSessionPerInitiator ends the sessions of an initiator name when another one is opened.
	OneSessionPerInitiator bool
	// IgnoreTag, ComparePortal and IgnoreTargetName look for the session to replace without the portal group tag, by the portal instead
	// of its group, and without the target name.
	IgnoreTag, ComparePortal, IgnoreTargetName bool
	// CloneResponsesToFirst sends the responses of a clone on the first session's connection.
	CloneResponsesToFirst bool
	// CloneCloseResets resets the logical units when a connection is lost.
	CloneCloseResets bool
	// SharedTags keeps Initiator Task Tags in one table for each initiator name.
	SharedTags bool
	// NexusByName lets ABORT TASK SET end the tasks of all sessions of the initiator name.
	NexusByName bool
	// LogoutClosesInitiator ends all sessions of the initiator name on logout.
	LogoutClosesInitiator bool
	// ReinstatementDeadlock hangs when logins with one ISID meet.
	ReinstatementDeadlock bool
	// RememberDigests uses the digests of the last session with the ISID.
	RememberDigests bool
	// CopyDigests uses the digests of the session that is replaced.
	CopyDigests bool
	// DigestsByText switches digests on by a Text Request.
	DigestsByText bool
	// DigestsPerInitiator keeps the digest settings for each initiator name.
	DigestsPerInitiator bool
	// FirstTagEverywhere tells the tag of the first portal in every login.
	FirstTagEverywhere bool
	// OnePortDesignator reports one target port in VPD page 0x83 at all portal groups.
	OnePortDesignator bool
	// ExportEverywhere lets targets be logged in to at every portal.
	ExportEverywhere bool
	// EvictOldest ends the oldest session when a limit is reached.
	EvictOldest bool
	// LeakSlots does not count the place of a lost session as free.
	LeakSlots bool
	// SlowChurn takes longer for a login with every session that was closed.
	SlowChurn bool
	// GlobalTSIH looks for a TSIH without the target name.
	GlobalTSIH bool
	// ReservationByName takes sessions of one initiator name for one nexus.
	ReservationByName bool
	// KeepReservations keeps the reservations of sessions that have ended.
	KeepReservations bool
}

// RedirectDeviations are faults of redirects.
type RedirectDeviations struct {
	// OmitAddress sends no TargetAddress.
	OmitAddress bool
	// Alternate redirects every other login only.
	Alternate bool
	// WithTag appends the portal group tag.
	WithTag bool
	// BareIPv6 leaves out the brackets.
	BareIPv6 bool
	// ToUnexported sends to portals where the target is not exported.
	ToUnexported bool
	// Loop sends from every portal to the others.
	Loop bool
	// ToDeadPortal sends to portals that are out of service.
	ToDeadPortal bool
	// DropDiscovery closes Discovery logins at a redirecting portal.
	DropDiscovery bool
	// ContinueAfterRedirect goes on with the login behind a redirect.
	ContinueAfterRedirect bool
	// DropExisting ends the sessions that an initiator has when it redirects another one.
	DropExisting bool
	// CleanUpFirst ends the initiator's sessions before it decides on a redirect.
	CleanUpFirst bool
	// DropReinstated ends the session that a redirected login would have replaced.
	DropReinstated bool
}
