package initiator

// ReconnectDeviations are faults in when and where the Manager logs in again.
type ReconnectDeviations struct{}
