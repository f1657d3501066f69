package initiator

import (
	"errors"
	"time"
)

// errScanDied ends a scan of a deviating initiator without telling anybody.
var errScanDied = errors.New("the scan died")

// DevicesDeviations are faults in when devices come and go.
type DevicesDeviations struct {
	// RemoveAtLoss removes devices as soon as the connection is lost.
	RemoveAtLoss bool
	// AttentionIsFailure takes a unit attention, met when the units are listed, for the failure of the command.
	AttentionIsFailure bool
	// ZeroBlocksKill lets a scan die of a unit whose blocks have no length; whoever waits for it waits for ever.
	ZeroBlocksKill bool
	// RemoveAfterAttempts, when above 0, removes devices after that many failed attempts and not by time.
	RemoveAfterAttempts int
	// RemoveAfter, when above 0, is the latency, whatever is configured.
	RemoveAfter time.Duration
	// ZeroMeansDefault takes a configured latency of 0 for unset.
	ZeroMeansDefault bool
	// InfiniteMeansExpired takes an infinite latency for one that is over already.
	InfiniteMeansExpired bool
	// RemoveDespiteLogin lets the removal timer that fires during a login in progress remove the devices after that login.
	RemoveDespiteLogin bool
	// ClockFromLastPDU counts the latency from the last PDU received before the loss was detected.
	ClockFromLastPDU bool
	// ClockRestartsOnConnect starts the latency again whenever a TCP connection is made.
	ClockRestartsOnConnect bool
	// ClockNotStopped does not cancel the removal timer at a successful login.
	ClockNotStopped bool
	// ClockCumulative counts the time down of all outages together.
	ClockCumulative bool
	// EnumerateOnce lists the units at the first login only.
	EnumerateOnce bool
	// LogoffLingers makes a logoff leave devices for the latency.
	LogoffLingers bool
	// AsyncLogoutRemoves makes a logout that the target asked for remove the devices.
	AsyncLogoutRemoves bool
	// RemovalRacesReplay removes the devices and leaves the second half of the queue to be replayed.
	RemovalRacesReplay bool
	// RemoveByLUNOnly removes the devices of all sessions that have the LUN numbers of the lost one.
	RemoveByLUNOnly bool
	// StopAtGap ends the enumeration at the first gap in the LUN numbers.
	StopAtGap bool
	// NoRescanOnRelogin enumerates from the remembered list of units after a re-login.
	NoRescanOnRelogin bool
	// IgnoreIdentity replays to whatever unit is behind the LUN after a re-login.
	IgnoreIdentity bool
	// KeepSize never takes over another size of a unit that is known.
	KeepSize bool
	// NeverInThePast never removes when the latency is set to less than has passed of an outage.
	NeverInThePast bool
}
