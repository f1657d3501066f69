package initiator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"pgregory.net/rapid"
)

func TestLoginDescribesTheSession(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		var end *fakeEnd
		n.at(portalA, func(e *fakeEnd) {
			end = e
			if e.login("MaxBurstLength=16384", "DefaultTime2Wait=7") {
				e.disk(nil, nil)
			}
		})
		s := mustLogin(t, n, config())
		info := s.Info()
		if info.TSIH != fakeTSIH || info.Params.MaxBurstLength != 16384 || info.Params.DefaultTime2Wait != 7 ||
			info.Params.PeerMaxRecvDataSegmentLength != 65536 || !info.Params.InitialR2T {
			t.Errorf("info: %+v", info)
		}
		for i, p := range end.logins {
			if p.TSIH != 0 || p.CmdSN != end.logins[0].CmdSN || p.ITT != end.logins[0].ITT || p.ISID != info.ISID {
				t.Errorf("login request %d: %+v", i, p)
			}
			if i > 0 && p.ExpStatSN != firstStatSN+uint32(i) {
				t.Errorf("login request %d has ExpStatSN %#x", i, p.ExpStatSN)
			}
		}
		if s.Loss() != (Loss{}) {
			t.Error("loss before the end")
		}
	})
}

// dataPlan is what a session negotiates and what is then moved over it.
type dataPlan struct {
	limits  []string
	digests []string
	sizes   []int
}

func TestDataArrivesWhole(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		one := func(name string, of ...string) string { return name + "=" + rapid.SampledFrom(of).Draw(rt, name) }
		plan := dataPlan{
			limits: []string{
				one("InitialR2T", "Yes", "No"), one("ImmediateData", "Yes", "No"), one("MaxRecvDataSegmentLength", "512", "4096", "65536"),
				one("FirstBurstLength", "512", "65536"), one("MaxBurstLength", "512", "16384", "262144"), one("MaxOutstandingR2T", "1", "3", "8"),
				one("HeaderDigest", "None", "CRC32C,None"), one("DataDigest", "None", "CRC32C,None"),
			},
			digests: []string{"CRC32C", "None"},
			sizes:   rapid.SliceOfN(rapid.IntRange(1, 300), 1, 8).Draw(rt, "blocks"),
		}
		seed := rapid.Uint64().Draw(rt, "seed")
		var fault string
		bubble(t, func(t *testing.T, n *fakeNetwork) { fault = moveData(t, n, plan, seed) })
		if fault != "" {
			rt.Fatal(fault)
		}
	})
}

// moveData writes pieces next to each other, all at once, and reads them back. It returns what went wrong.
func moveData(t *testing.T, n *fakeNetwork, plan dataPlan, seed uint64) string {
	blocks := make([]byte, 512*300*8)
	n.at(portalA, func(e *fakeEnd) {
		if e.login(plan.limits...) {
			e.disk(blocks, nil)
		}
	})
	cfg := config()
	cfg.HeaderDigest, cfg.DataDigest = plan.digests, plan.digests
	s := mustLogin(t, n, cfg)
	want := make([]byte, len(blocks))
	_, _ = rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(want)
	var writes, reads []*Request
	lba := 0
	for _, size := range plan.sizes {
		writes = append(writes, writeRequest(lba, want[lba*512:][:size*512]))
		reads = append(reads, readRequest(lba, size*512))
		lba += size
	}
	for _, requests := range [][]*Request{writes, reads} {
		if fault := runAll(s, requests); fault != "" {
			return fault
		}
	}
	if !bytes.Equal(blocks[:lba*512], want[:lba*512]) {
		return "the disk holds other bytes than were written"
	}
	for i, r := range reads {
		if !bytes.Equal(r.Read, writes[i].Write) {
			return "a read returned other bytes than were written"
		}
	}
	if err := s.Logout(t.Context()); err != nil {
		return "logout: " + err.Error()
	}
	return ""
}

// runAll submits all requests at once and waits for them. It returns what went wrong.
func runAll(s *Session, requests []*Request) string {
	done := make(chan struct{}, len(requests))
	for _, r := range requests {
		r.Done = func(*Request) { done <- struct{}{} }
		s.Submit(r)
	}
	for range requests {
		<-done
	}
	for _, r := range requests {
		if r.Err != nil || r.Status != 0 || r.Transferred != len(r.Read)+len(r.Write) {
			return fmt.Sprintf("request of %d and %d bytes: %v, status %d, transferred %d", len(r.Read), len(r.Write), r.Err, r.Status, r.Transferred)
		}
	}
	return ""
}

func TestReadBackIsWhatWasWritten(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		blocks := make([]byte, 1<<20)
		n.at(portalA, func(e *fakeEnd) {
			if e.login() {
				e.disk(blocks, nil)
			}
		})
		s := mustLogin(t, n, config())
		data := bytes.Repeat([]byte("0123456789abcdef"), 40000)[:512*1000]
		if err := s.Do(t.Context(), writeRequest(3, data)); err != nil {
			t.Fatal(err)
		}
		r := readRequest(3, len(data))
		if err := s.Do(t.Context(), r); err != nil || !bytes.Equal(r.Read, data) {
			t.Errorf("read back: %v", err)
		}
	})
}

func TestWindowHoldsRequestsInOrder(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		var seen []byte
		n.at(portalA, func(e *fakeEnd) {
			e.window = 1
			if !e.login() {
				return
			}
			for range 5 {
				p := expect[*pdu.SCSICommand](e)
				seen = append(seen, p.CDB[1])
				time.Sleep(time.Second)
				if len(seen) == 3 {
					e.window = 0
				}
				e.good(p.ITT)
				if e.window == 0 {
					time.Sleep(10 * time.Second)
					e.window = 1
					e.write(&pdu.NOPIn{ITT: pdu.ReservedTag, TTT: pdu.ReservedTag})
				}
			}
			e.disk(nil, nil)
		})
		s := mustLogin(t, n, config())
		start := time.Now()
		done := make(chan struct{}, 5)
		for i := range 5 {
			s.Submit(&Request{CDB: []byte{0, byte(i), 0, 0, 0, 0}, Done: func(*Request) { done <- struct{}{} }})
		}
		for range 5 {
			<-done
		}
		if !bytes.Equal(seen, []byte{0, 1, 2, 3, 4}) || time.Since(start) != 15*time.Second {
			t.Errorf("order %v after %v", seen, time.Since(start))
		}
	})
}

func TestLossEndsRequestsInOrder(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, func(e *fakeEnd) {
			e.window = 3
			if e.login("DefaultTime2Wait=9") {
				for range 3 {
					e.read()
				}
				time.Sleep(time.Second)
			}
		})
		s := mustLogin(t, n, config())
		start := time.Now()
		var order []int
		for i := range 6 {
			r := readRequest(i, 512)
			r.Done = func(r *Request) {
				if !errors.Is(r.Err, ErrTransportLost) || r.Sent != (i < 3) {
					t.Errorf("request %d: %v, sent %v", i, r.Err, r.Sent)
				}
				order = append(order, i)
			}
			s.Submit(r)
		}
		<-s.Done()
		if len(order) != 6 || order[0] != 0 || order[5] != 5 {
			t.Errorf("order %v", order)
		}
		l := s.Loss()
		if l.At.Sub(start) != time.Second || l.Time2Wait != 9*time.Second || l.Planned || l.Cause == nil {
			t.Errorf("loss %+v", l)
		}
		r := readRequest(0, 512)
		if err := s.Do(t.Context(), r); !errors.Is(err, ErrTransportLost) {
			t.Errorf("after the end: %v", err)
		}
	})
}

func TestCloseIsALossOfTheUsersOwn(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, func(e *fakeEnd) {
			if e.login() {
				e.read()
				e.read()
			}
		})
		s := mustLogin(t, n, config())
		go func() {
			time.Sleep(time.Second)
			s.Close()
		}()
		if err := s.Do(t.Context(), readRequest(0, 512)); !errors.Is(err, ErrTransportLost) || !errors.Is(err, ErrClosed) {
			t.Errorf("request: %v", err)
		}
		<-s.Done()
		if !errors.Is(s.Loss().Cause, ErrClosed) {
			t.Errorf("loss %+v", s.Loss())
		}
	})
}

func TestResidualsAndSense(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, func(e *fakeEnd) {
			if !e.login() {
				return
			}
			p := expect[*pdu.SCSICommand](e)
			e.write(&pdu.DataIn{Final: true, ITT: p.ITT, Data: make([]byte, 36)})
			e.write(&pdu.SCSIResponse{ITT: p.ITT, Underflow: true, ResidualCount: 219, ExpDataSN: 1})
			p = expect[*pdu.SCSICommand](e)
			e.write(&pdu.SCSIResponse{ITT: p.ITT, Status: 2, Underflow: true, ResidualCount: 512, Data: pdu.SenseSegment([]byte{0x70, 0, 5})})
			p = expect[*pdu.SCSICommand](e)
			e.write(&pdu.DataIn{Final: true, ITT: p.ITT, Data: make([]byte, 100)})
			e.write(&pdu.SCSIResponse{ITT: p.ITT, ExpDataSN: 1})
			p = expect[*pdu.SCSICommand](e)
			e.write(&pdu.SCSIResponse{ITT: p.ITT, Response: pdu.ResponseTargetFailure})
			e.disk(nil, nil)
		})
		s := mustLogin(t, n, config())
		r := &Request{CDB: []byte{0x12, 0, 0, 0, 255, 0}, Read: make([]byte, 255)}
		if err := s.Do(t.Context(), r); err != nil || r.Transferred != 36 || r.Residual != 219 || !r.Underflow {
			t.Errorf("underflow: %v %+v", err, r)
		}
		r = readRequest(0, 512)
		if err := s.Do(t.Context(), r); err != nil || r.Status != 2 || !bytes.Equal(r.Sense, []byte{0x70, 0, 5}) || r.Transferred != 0 {
			t.Errorf("check condition: %v %+v", err, r)
		}
		var short *IncompleteError
		if err := s.Do(t.Context(), r); !errors.As(err, &short) || short.Got != 100 || len(r.Sense) != 0 {
			t.Errorf("short data with GOOD: %v", err)
		}
		var failure *TargetFailureError
		if err := s.Do(t.Context(), r); !errors.As(err, &failure) {
			t.Errorf("target failure: %v", err)
		}
	})
}

func TestRefusedRequests(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, func(e *fakeEnd) {
			if e.login() {
				e.disk(nil, nil)
			}
		})
		s := mustLogin(t, n, config())
		for _, r := range []*Request{{}, {CDB: make([]byte, maxCDBLength+1)}} {
			if err := s.Do(t.Context(), r); !errors.Is(err, ErrNotSupported) {
				t.Errorf("CDB of %d: %v", len(r.CDB), err)
			}
		}
	})
}

func TestLoginConfigurationIsChecked(t *testing.T) {
	for name, change := range map[string]func(*LoginConfig){
		"no portal":     func(c *LoginConfig) { c.Portal = iscsi.Address{} },
		"no target":     func(c *LoginConfig) { c.TargetName = "" },
		"bad name":      func(c *LoginConfig) { c.InitiatorName = "nonsense" },
		"same secrets":  func(c *LoginConfig) { c.CHAP = &CHAP{Secret: "a secret of ours", TargetSecret: "a secret of ours"} },
		"short secret":  func(c *LoginConfig) { c.CHAP = &CHAP{Secret: "eleven byte"} },
		"CHAP nowhere":  func(c *LoginConfig) { c.CHAP, c.SkipSecurityStage = &CHAP{Secret: "x"}, true },
		"target's name": func(c *LoginConfig) { c.TargetName = "iqn.2026-01.org.example:a b" },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config()
			change(&cfg)
			_, err := Login(context.Background(), newNetwork(t), cfg)
			var failed *LoginError
			if !errors.As(err, &failed) || failed.Stage != StageConfigure {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestResubmittingDoesNotKeepASessionFromEnding has a requester that tries again at each failure until the session is over.
func TestResubmittingDoesNotKeepASessionFromEnding(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, script(func(e *fakeEnd) { e.read() }))
		s := mustLogin(t, n, config())
		over := make(chan struct{})
		r := readRequest(0, 512)
		r.Done = func(r *Request) {
			select {
			case <-s.Done():
				close(over)
			default:
				s.Submit(r)
			}
		}
		s.Submit(r)
		<-over
	})
}
