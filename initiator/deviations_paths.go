package initiator

// PathsDeviations are faults in sessions added, removed and listed, and a device's paths.
type PathsDeviations struct {
	// PortalForDiscoveryOnly uses the portal of a login to discover, and dials the first portal found.
	PortalForDiscoveryOnly bool
	// AddBlocksAll holds everything else up while a session is being added.
	AddBlocksAll bool
	// IndexByTSIH lets the removal of a session hit the first session with its TSIH.
	IndexByTSIH bool
	// FirstPortalOnly logs in to the first discovered portal of each target only.
	FirstPortalOnly bool
	// RepeatDefaults lets a repeated login to all targets add sessions with new ISIDs.
	RepeatDefaults bool
	// OneISIDPerHost uses one ISID on all initiator ports.
	OneISIDPerHost bool
	// ISIDPerLogin draws an ISID for every session, never one for several portal groups.
	ISIDPerLogin bool
	// CloneCopiesISID gives a clone the ISID of its original.
	CloneCopiesISID bool
	// CloneFromDefaults gives a clone the default settings and not those of its original.
	CloneFromDefaults bool
	// NoSecondPath drops units whose LUN number is known already from another session to the target.
	NoSecondPath bool
	// RefusedAddClosesTarget closes all sessions to the target when an added one is refused.
	RefusedAddClosesTarget bool
	// QualifierWraps, when above 0, is the number of ISID qualifiers after which they begin again, in use or not.
	QualifierWraps int
	// AddIgnoresPortal adds sessions at the first known portal of the target.
	AddIgnoresPortal bool
	// AddRefusesSamePortal refuses to add a session at a portal that has one.
	AddRefusesSamePortal bool
	// AddReportsEarly reports an added session before its login.
	AddReportsEarly bool
	// AddedArePersistent brings added sessions back after a restart.
	AddedArePersistent bool
	// ReconnectWithDefaultISID logs an added session in again with the ISID of the default one.
	ReconnectWithDefaultISID bool
	// DigestsChangeLive applies a change of the digest setting to connections in use.
	DigestsChangeLive bool
	// FramingFromConfig frames PDUs by the digest setting of the moment and not by what a re-login negotiated.
	FramingFromConfig bool
	// AddDoesNothing reports success for a clone of a connected session without opening one.
	AddDoesNothing bool
	// RestoreFirstPortOnly brings back the sessions of the first initiator port only after a restart.
	RestoreFirstPortOnly bool
	// RestartChangesISID gives sessions other ISIDs after each restart.
	RestartChangesISID bool
	// RemoveByTarget removes all sessions to the target of the one to be removed.
	RemoveByTarget bool
	// RemoveWaitsForEver waits for the Logout Response without a limit.
	RemoveWaitsForEver bool
	// RemoveReconnects takes the end of the connection during a logout for a loss.
	RemoveReconnects bool
}
