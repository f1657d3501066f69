package initiator

import "github.com/iscsispec/iscsispec/internal/planted"

// Deviations are the named faults of this initiator's test build: each field makes it break one rule at one point,
// and the zero value is sound. A nil *Deviations is sound too. They are grouped by the phase in which they show.
type Deviations struct {
	Login     LoginDeviations
	Auth      AuthDeviations
	Redirect  RedirectDeviations
	Session   SessionDeviations
	Discovery DiscoveryDeviations
	Text      TextDeviations
	Async     AsyncDeviations
	NOP       NOPDeviations
	Reject    RejectDeviations
	Keys      KeyDeviations
	Logout    LogoutDeviations
	Identity  IdentityDeviations
	Kinds     KindDeviations
	Listing   ListingDeviations
	Reconnect ReconnectDeviations
	Devices   DevicesDeviations
	Queue     QueueDeviations
	Cache     CacheDeviations
	Paths     PathsDeviations
	Manager   ManagerDeviations

	Negotiation    NegotiationDeviations
	DataOut        DataOutDeviations
	Sequencing     SequencingDeviations
	Loss           LossDeviations
	TaskManagement TaskManagementDeviations
	DataIn         DataInDeviations
	Status         StatusDeviations
	Digest         DigestDeviations
	Peer           PeerDeviations

	// Recovery is about several connections, and recovery above the session's.
	Recovery RecoveryDeviations

	// planted are for the proof of the login fuzzer; Plant sets them.
	planted planted.Initiator
}

// Plant puts defects into the login paths, for the proof that the fuzzer of logins finds them. Nothing that reads Deviations by name reaches
// them.
func (d *Deviations) Plant(p planted.Initiator) { d.planted = p }

// sound is what a nil *Deviations stands for.
var sound Deviations

// orSound returns d, or the sound value for nil, so that the points of departure need no test.
func (d *Deviations) orSound() *Deviations {
	if d == nil {
		return &sound
	}
	return d
}

// RowDeviation ties one row of the catalogue to the deviation that is that row's defect: a check of the row has to fail
// an initiator for which Set was called.
type RowDeviation struct {
	// Row is the catalogue's permanent identifier.
	Row string
	// Set switches the defect on.
	Set func(*Deviations)
}
