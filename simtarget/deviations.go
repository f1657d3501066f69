package simtarget

// Deviations are the faults that an array can be given, each a documented field named after what it does wrong, grouped by the phase in
// which it shows. The zero value is a sound array. The code consults a field at the exact point of departure.
type Deviations struct{}
