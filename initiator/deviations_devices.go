package initiator

// DevicesDeviations are faults in when devices come and go.
type DevicesDeviations struct{}
