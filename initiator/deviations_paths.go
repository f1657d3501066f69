package initiator

// PathsDeviations are faults in sessions added, removed and listed, and a device's paths.
type PathsDeviations struct{}
