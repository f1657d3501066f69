package initiator

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

// A target that pings and does not read must not make the initiator keep answers without end.
func TestAnswersToPingsAreBounded(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, script(func(e *fakeEnd) {
			for i := range uint32(8 * pingAnswersMax) {
				e.write(&pdu.NOPIn{ITT: pdu.ReservedTag, TTT: i + 1})
			}
		}))
		s := mustLogin(t, n, config())
		<-s.Done()
		var fault *ProtocolError
		if l := s.Loss(); !errors.As(l.Cause, &fault) || fault.Opcode != pdu.OpNOPIn {
			t.Errorf("loss %+v", l)
		}
	})
}

// A target that never answers pings, but shows that it lives, must not use the tasks up.
func TestUnansweredPingsKeepOneTask(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, script(func(e *fakeEnd) {
			for e.read() != nil {
				e.write(&pdu.NOPIn{ITT: pdu.ReservedTag, TTT: pdu.ReservedTag})
			}
		}))
		cfg := config()
		cfg.PingInterval = time.Second
		s := mustLogin(t, n, cfg)
		time.Sleep(time.Minute)
		s.mu.Lock()
		live := s.tasks.live
		s.mu.Unlock()
		if live > 1 {
			t.Errorf("%d tasks are taken by pings", live)
		}
	})
}

// A digest that is offered without None is one that the user demands.
func TestDigestIsNotGivenUp(t *testing.T) {
	for name, answer := range map[string]func(text.Pairs) text.Pairs{
		"rejected":   func(p text.Pairs) text.Pairs { return p },
		"unanswered": func(p text.Pairs) text.Pairs { return p.Without(text.KeyHeaderDigest, text.KeyDataDigest) },
	} {
		bubble(t, func(t *testing.T, n *fakeNetwork) {
			n.at(portalA, func(e *fakeEnd) {
				neg := text.NewNegotiation(text.Target, text.Normal, baseWants(nil))
				for p := e.readLogin(); p != nil; p = e.readLogin() {
					neg.SetStage(negotiationStage(p.CSG))
					answers, _ := neg.Receive(textOf(p.Data))
					e.answerLogin(p, answer(append(answers, neg.Offer()...)))
				}
			})
			cfg := config()
			cfg.HeaderDigest = []string{"CRC32C"}
			s, err := Login(t.Context(), n, cfg)
			if err == nil {
				s.Close()
				<-s.Done()
			}
			var key *text.KeyError
			if !errors.As(err, &key) || key.Key != text.KeyHeaderDigest {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
}

// A request for data that comes after its requester gave up is not answered; the target's count of it is no mistake.
func TestStatusAfterCancelCountsAllR2Ts(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		const burst = 2 << 20
		n.at(portalA, script(func(e *fakeEnd) {
			c := expect[*pdu.SCSICommand](e)
			e.write(&pdu.R2T{ITT: c.ITT, TTT: 1, DesiredDataTransferLength: burst, BufferOffset: uint32(len(c.Data))})
			time.Sleep(2 * time.Second)
			e.write(&pdu.R2T{ITT: c.ITT, TTT: 2, R2TSN: 1, DesiredDataTransferLength: burst, BufferOffset: uint32(len(c.Data)) + burst})
			e.write(&pdu.SCSIResponse{ITT: c.ITT, Status: 8, ExpDataSN: 2})
			for p := e.read(); p != nil; p = e.read() {
				if tm, ok := p.(*pdu.TaskManagementRequest); ok {
					e.write(&pdu.TaskManagementResponse{ITT: tm.ITT, Response: pdu.TaskResponseNoTask})
				}
			}
		}, "MaxOutstandingR2T=2", "MaxBurstLength=4194304"))
		s := mustLogin(t, n, config())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Do(ctx, writeRequest(0, make([]byte, 65536+2*burst))); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		time.Sleep(time.Minute)
		select {
		case <-s.Done():
			t.Errorf("lost: %v", s.Loss().Cause)
		default:
		}
	})
}

// After the Logout Request the session says nothing new (RFC 7143, Section 11.14).
func TestNothingIsAskedAfterLogout(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, script(func(e *fakeEnd) {
			p := expect[*pdu.LogoutRequest](e)
			over := make(chan struct{})
			go func() {
				defer close(over)
				for p := e.read(); p != nil; p = e.read() {
					t.Errorf("%T after the Logout Request", p)
				}
			}()
			time.Sleep(12 * time.Second)
			e.write(&pdu.LogoutResponse{ITT: p.ITT})
			<-over
		}))
		cfg := config()
		cfg.PingInterval, cfg.LogoutTimeout = 5*time.Second, 30*time.Second
		s := mustLogin(t, n, cfg)
		left := make(chan error)
		go func() { left <- s.Logout(t.Context()) }()
		time.Sleep(time.Second)
		if _, err := s.Ping(t.Context(), nil); !errors.Is(err, ErrLoggedOut) {
			t.Errorf("ping: %v", err)
		}
		if _, err := s.Text(t.Context(), base("SendTargets=")); !errors.Is(err, ErrLoggedOut) {
			t.Errorf("text: %v", err)
		}
		if err := <-left; err != nil {
			t.Error(err)
		}
	})
}

// An offer that decides by itself needs no answer, so that it may come with T=1 (RFC 7143, Section 6.2.2).
func TestOfferThatDecidesMayComeWithTransit(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, func(e *fakeEnd) {
			neg := text.NewNegotiation(text.Target, text.Normal, baseWants(nil))
			for p := e.readLogin(); p != nil; p = e.readLogin() {
				neg.SetStage(negotiationStage(p.CSG))
				answers, _ := neg.Receive(textOf(p.Data))
				if p.CSG == pdu.StageOperational {
					answers = append(answers, base("ImmediateData=No", "InitialR2T=Yes")...)
				}
				e.answerLogin(p, answers)
			}
		})
		cfg := config()
		cfg.Offers = []Offer{{text.KeyMaxBurstLength, "65536"}}
		s := mustLogin(t, n, cfg)
		if p := s.Info().Params; p.ImmediateData || !p.InitialR2T {
			t.Errorf("%+v", p)
		}
	})
}

// A redirect may name more addresses than anybody has time for.
func TestAlternativesOfARedirectAreBounded(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, func(e *fakeEnd) {
			var many []string
			for i := range 200 {
				many = append(many, fmt.Sprintf("198.51.100.%d", i+1))
			}
			e.redirect(iscsi.StatusMovedTemporarily, many...)
		})
		_, err := Login(t.Context(), n, config())
		var failed *RedirectError
		if !errors.As(err, &failed) || len(n.dialed) != 1+1+redirectLimit {
			t.Errorf("%d dials: %v", len(n.dialed), err)
		}
	})
}
