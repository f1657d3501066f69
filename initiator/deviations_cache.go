package initiator

// CacheDeviations are faults in what the cache answers.
type CacheDeviations struct{}
