package initiator

// QueueDeviations are faults in what waits while a session is down.
type QueueDeviations struct{}
