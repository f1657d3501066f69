package peers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/cmd/iscsispec/gotgt"
	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi"
)

// patience bounds one load, and whatever else is waited for; a sound run takes seconds, and minutes on a busy machine.
const patience = 20 * time.Minute

// writtenSize is how much each run writes and reads back, and cutsPerRun how often the runs that are cut are.
const (
	writtenSize = 256 << 20
	cutsPerRun  = 100
)

// tgt without CHAP, with it one way and mutually, with digests and without, through a connection that holds, and through one that is reset
// a hundred times.
func TestInitiatorOnTGT(t *testing.T) {
	t.Parallel()
	oneWay := TGTTarget{User: "host", Password: "initiators-secret"}
	mutual := TGTTarget{User: "host", Password: "initiators-secret", OutUser: "disk", OutPass: "targets-secret1"}
	for _, c := range []struct {
		name    string
		account TGTTarget
		digest  string
		cuts    int
	}{
		{"plain", TGTTarget{}, "None", 0},
		{"CHAP", oneWay, "None", 0},
		{"mutual CHAP and digests", mutual, "CRC32C", 0},
		{"plain, cut", TGTTarget{}, "None", cutsPerRun},
		{"mutual CHAP and digests, cut", mutual, "CRC32C", cutsPerRun},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.account.Disks = []int64{writtenSize}
			p := TGTFor(t, TGTConfig{Targets: []TGTTarget{c.account}})
			// tgt has no digests unless told, and asks for 2 s before a login after a loss: minutes, for a hundred of them.
			for _, pair := range [][2]string{{"HeaderDigest", "CRC32C,None"}, {"DataDigest", "CRC32C,None"}, {"DefaultTime2Wait", "0"}} {
				if _, err := p.Admin(t.Context(), "--lld", "iscsi", "--op", "update", "--mode", "target", "--tid", "1", "--name", pair[0], "--value", pair[1]); err != nil {
					t.Fatal(err)
				}
			}
			settings := initiator.LoginSettings{HeaderDigest: []string{c.digest}, DataDigest: []string{c.digest}}
			if a := c.account; a.User != "" {
				settings.CHAP = &initiator.CHAP{Name: a.User, Secret: iscsi.Secret(a.Password), TargetName: a.OutUser, TargetSecret: iscsi.Secret(a.OutPass)}
			}
			r := startRelay(t, p.Address, cutPlan(1, c.cuts, 2<<20))
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			h, err := logIn(ctx, r.address(), p.Target(0), settings)
			if err != nil {
				t.Fatal(err)
			}
			defer h.Close()
			if params, digest := h.before.Params, c.digest == "CRC32C"; params.HeaderDigest != digest || params.DataDigest != digest {
				t.Errorf("digests agreed: %v, %v, want %v", params.HeaderDigest, params.DataDigest, digest)
			}
			if err := h.carry(ctx, &load{seed: 1, blocks: writtenSize / blockSize, maxDepth: 32}); err != nil {
				t.Fatal(err)
			}
			if r.cutSoFar() != c.cuts {
				t.Errorf("the connection was cut %d times, want %d", r.cutSoFar(), c.cuts)
			}
		})
	}
}

// gotgtParts is among how many children, each with a part of the disk and of the cuts, the runs on gotgt are divided. gotgt has DefaultTime2Wait 2
// and lets nobody change it, so that a hundred cuts take more than three minutes in a row. They are in processes of their own because
// sessions beside each other can end it (see mended).
const gotgtParts = 10

// gotgt, whole and cut. It has neither CHAP nor, whatever it agrees to, digests: processSecurityData ends the connection of a login that does
// not offer AuthMethod None, and processLoginData answers None to "CRC32C,None" (pkg/port/iscsit/login.go of v0.2.2).
//
// One request at a time is all that it bears. A connection has one field each for the request and the response; when a command is done,
// handler lets one goroutine read and carry out the next command while another still writes the response, from the same field
// (pkg/port/iscsit/iscsid.go, handler and txHandler). With two requests at once an answer is soon lost, and the requester waits for ever.
func TestInitiatorOnGotgt(t *testing.T) {
	t.Parallel()
	for name, cuts := range map[string]int{"whole": 0, "cut": cutsPerRun / gotgtParts} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var all sync.WaitGroup
			for part := range gotgtParts {
				relays := func(address string) *relay { return startRelay(t, address, cutPlan(uint64(part), cuts, 1<<20)) }
				all.Go(func() {
					if err := mended(t, func() (*gotgt.Child, error) { return onGotgt(t, part, relays) }); err != nil {
						t.Errorf("part %d: %v", part, err)
					}
				})
			}
			all.Wait()
		})
	}
}

// mended runs a part again, twice at most, when gotgt has ended by its own race: a login changes a map that a command of a session before
// it reads (pkg/scsi/scsi.go, AddCommandQueue), and after a cut the command before may still be carried out.
func mended(t *testing.T, part func() (*gotgt.Child, error)) error {
	for again := 0; ; again++ {
		child, err := part()
		if err == nil || again == 2 || child == nil || !strings.Contains(child.Log(), "concurrent map") {
			return err
		}
		t.Logf("gotgt has ended by its own race: %v", err)
	}
}

// onGotgt puts one part of the load on a child of its own.
func onGotgt(t *testing.T, part int, relays func(string) *relay) (*gotgt.Child, error) {
	const blocks = writtenSize / blockSize / gotgtParts
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	executable, err := os.Executable()
	if err != nil {
		return nil, err
	}
	child, err := gotgt.Start(ctx, executable, (blocks+1)*blockSize)
	if err != nil {
		return nil, err
	}
	defer child.Stop()
	r := relays(child.Address)
	planned := len(r.plan)
	both := []string{"CRC32C", "None"}
	h, err := logIn(ctx, r.address(), gotgt.TargetName, initiator.LoginSettings{HeaderDigest: both, DataDigest: both})
	if err != nil {
		return child, err
	}
	defer h.Close()
	if err := h.carry(ctx, &load{seed: uint64(part), blocks: blocks + 1, maxDepth: 1}); err != nil {
		return child, err
	}
	if r.cutSoFar() != planned {
		return child, fmt.Errorf("the connection was cut %d times, want %d", r.cutSoFar(), planned)
	}
	return child, nil
}

// A login with CHAP to a target without it fails, and does not wait.
func TestInitiatorAsksGotgtForCHAP(t *testing.T) {
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child, err := gotgt.Start(t.Context(), executable, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer child.Stop()
	h, err := logIn(t.Context(), child.Address, gotgt.TargetName, initiator.LoginSettings{CHAP: &initiator.CHAP{Name: "host", Secret: "initiators-secret"}})
	if err == nil {
		h.Close()
	}
	var refused *initiator.LoginError
	if !errors.As(err, &refused) || refused.Stage != initiator.StageSecurity {
		t.Errorf("got %v, want a LoginError of the security stage", err)
	}
}
