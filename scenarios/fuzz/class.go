package fuzz

// Class says of what kind the value of a key is.
type Class string

// The classes.
const (
	Legal      Class = "legal"
	Boundary   Class = "boundary"   // the smallest or largest that is legal, or the longest
	Illegal    Class = "illegal"    // of the right form, but out of range or not among the key's values
	Malformed  Class = "malformed"  // not of the form that the key's values have
	Duplicated Class = "duplicated" // the key comes a second time
	Missing    Class = "missing"    // the key is left out of a login
)

// Classes lists all classes in a fixed order.
func Classes() []Class { return []Class{Legal, Boundary, Illegal, Malformed, Duplicated, Missing} }
