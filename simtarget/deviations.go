package simtarget

import (
	"github.com/iscsispec/iscsispec/internal/planted"
	"github.com/iscsispec/iscsispec/iscsi/chap"
)

// Deviations are the faults that an array can be given, each a documented field named after what it does wrong, grouped by the phase in
// which it shows. The zero value is a sound array. The code consults a field at the exact point of departure. RowDeviations says which
// fault each row of the target catalogue is about.
type Deviations struct {
	Login          LoginDeviations
	LoginForm      LoginFormDeviations
	LoginWho       LoginWhoDeviations
	Negotiation    NegotiationDeviations
	Keys           KeyDeviations
	Auth           AuthDeviations
	Discovery      DiscoveryDeviations
	Listing        ListingDeviations
	Sequencing     SequencingDeviations
	DataIn         DataInDeviations
	DataOut        DataOutDeviations
	TaskManagement TaskManagementDeviations
	Logout         LogoutDeviations
	Async          AsyncDeviations
	NOP            NOPDeviations
	Text           TextDeviations
	Reject         RejectDeviations
	Recovery       RecoveryDeviations
	Integrity      IntegrityDeviations
	SNACK          SNACKDeviations
	Digest         DigestDeviations
	Sessions       SessionDeviations
	Redirect       RedirectDeviations
	Robustness     RobustnessDeviations
	Reassign       ReassignDeviations
	Connections    ConnectionDeviations
	Method         MethodDeviations
	CHAP           chap.TargetDeviations
	Offers         OfferDeviations
	Values         KeyValueDeviations

	// planted are for the proof of the login fuzzer; Plant sets them.
	planted plantedFaults
}

// Plant puts defects into the login paths, for the proof that the fuzzer of logins finds them. Nothing that reads Deviations by name reaches
// them.
func (d *Deviations) Plant(p planted.Target) { d.planted.Target = p }
