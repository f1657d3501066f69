package probe

import (
	"context"
	"net"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/chap"
	"github.com/iscsispec/iscsispec/trace"
)

// Dialer opens connections. A net.Dialer is one, and so is a host of the in-memory network.
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// DialFunc makes a Dialer of a function.
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// DialContext calls the function.
func (f DialFunc) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return f(ctx, network, address)
}

// DefaultInitiatorName is the name under which the probe logs in unless told otherwise.
const DefaultInitiatorName = "iqn.2026-01.org.iscsispec:probe"

// Options are what a Prober works with. Portal and Dialer are needed, Target for all but Discovery sessions.
type Options struct {
	Portal iscsi.Address
	// Target is the name of the target under test.
	Target string
	// LUN is the logical unit under test, in the wire's form.
	LUN uint64
	// Unit is the size of the logical unit under test where it is known; zero means that READ CAPACITY is asked.
	Unit Capacity
	// First is the block at which the check's own blocks begin, where others use the logical unit too, and Own how many they are; 0 means all
	// from there on. READs and WRITEs count their blocks from First.
	First, Own uint32
	// InitiatorName is "" for DefaultInitiatorName.
	InitiatorName string
	// CHAP are the probe's credentials. Where they are set, logins authenticate unless they say otherwise.
	CHAP chap.Credentials
	// Mutual is what the target has to prove in turn.
	Mutual chap.Credentials
	// Algorithms is what CHAP_A offers; empty means MD5.
	Algorithms []chap.Algorithm

	// HeaderDigest and DataDigest are what logins offer that do not say otherwise; empty means None. They are for targets that demand digests.
	HeaderDigest, DataDigest string

	// Sessions is how many sessions at once Learn tries, 2 at least; 0 means SessionsMax.
	Sessions int

	Dialer Dialer
	// Log, where not nil, taps every connection and takes notes.
	Log *trace.Log
	// Tapped tells that the Dialer's connections are recorded already, so that Log takes notes only.
	Tapped bool

	// Seed and Name key all that is drawn at random: ISIDs, challenges. Name is the check's.
	Seed uint64
	Name string

	// QuietTime is how long nothing may come for a silence to be proven; 0 means 2 s.
	QuietTime time.Duration
	// CloseTimeout is how long a target may take to drop a connection; 0 means 10 s.
	CloseTimeout time.Duration
	// AnswerTimeout is how long an answer may take, and a write; 0 means 10 s.
	AnswerTimeout time.Duration
	// ConnectTimeout is how long a dial may take; 0 means 10 s.
	ConnectTimeout time.Duration
}

// The waits of the catalogue's header, and this package's own for answers and dials.
const (
	DefaultQuietTime      = 2 * time.Second
	DefaultCloseTimeout   = 10 * time.Second
	DefaultAnswerTimeout  = 10 * time.Second
	DefaultConnectTimeout = 10 * time.Second
)

func (o Options) withDefaults() Options {
	for _, wait := range []struct {
		field    *time.Duration
		fallback time.Duration
	}{
		{&o.QuietTime, DefaultQuietTime},
		{&o.CloseTimeout, DefaultCloseTimeout},
		{&o.AnswerTimeout, DefaultAnswerTimeout},
		{&o.ConnectTimeout, DefaultConnectTimeout},
	} {
		if *wait.field <= 0 {
			*wait.field = wait.fallback
		}
	}
	if o.InitiatorName == "" {
		o.InitiatorName = DefaultInitiatorName
	}
	return o
}
