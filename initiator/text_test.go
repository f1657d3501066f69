package initiator

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

// answersText answers each Text Request with the next of the texts; all but the last have F=0.
func answersText(answers ...text.Pairs) func(e *fakeEnd) {
	return func(e *fakeEnd) {
		for i, pairs := range answers {
			p := expect[*pdu.TextRequest](e)
			r := &pdu.TextResponse{ITT: p.ITT, TTT: uint32(7 + i), Data: pairs.Append(nil)}
			if r.Final = i == len(answers)-1; r.Final {
				r.TTT = pdu.ReservedTag
			}
			e.write(r)
		}
		e.disk(make([]byte, 512), nil)
	}
}

func TestTextComesIntoForceAtItsEnd(t *testing.T) {
	limits := func(s *Session) [2]int {
		p := s.Info().Params
		return [2]int{p.MaxRecvDataSegmentLength, p.PeerMaxRecvDataSegmentLength}
	}
	small := base("MaxRecvDataSegmentLength=512")
	for name, c := range map[string]struct {
		sent    text.Pairs
		answers []text.Pairs
		want    [2]int // {0, 0} is what the login agreed on.
	}{
		"target's":           {nil, []text.Pairs{small}, [2]int{262144, 512}},
		"target's, F=0":      {nil, []text.Pairs{small, nil}, [2]int{262144, 512}},
		"own":                {base("MaxRecvDataSegmentLength=4096"), []text.Pairs{nil}, [2]int{4096, 0}},
		"own, larger":        {base("MaxRecvDataSegmentLength=1048576"), []text.Pairs{nil}, [2]int{1048576, 0}},
		"own, not taken":     {base("MaxRecvDataSegmentLength=4096"), []text.Pairs{base("MaxRecvDataSegmentLength=Reject")}, [2]int{}},
		"both":               {base("MaxRecvDataSegmentLength=4096"), []text.Pairs{small}, [2]int{4096, 512}},
		"out of range":       {nil, []text.Pairs{base("MaxRecvDataSegmentLength=511")}, [2]int{}},
		"not for parameters": {base("SendTargets=All"), []text.Pairs{small}, [2]int{}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *fakeNetwork) {
				n.at(portalA, script(answersText(c.answers...)))
				s := mustLogin(t, n, config())
				want := limits(s)
				for i, limit := range c.want {
					if limit > 0 {
						want[i] = limit
					}
				}
				_, err := s.Text(t.Context(), c.sent)
				var key *text.KeyError
				if name == "out of range" != errors.As(err, &key) || key == nil && err != nil {
					t.Errorf("error %v", err)
				}
				if got := limits(s); got != want {
					t.Errorf("limits %v, want %v", got, want)
				}
				if err := s.Do(t.Context(), readRequest(0, 512)); err != nil {
					t.Errorf("read: %v", err)
				}
			})
		})
	}
}

func TestKeyTwiceResetsTheText(t *testing.T) {
	twice := func(e *fakeEnd, second func(q *pdu.TextRequest)) {
		p := expect[*pdu.TextRequest](e)
		for i, value := range []string{"4096", "2048"} {
			e.write(&pdu.TextResponse{ITT: p.ITT, TTT: uint32(7 + i), Data: base("MaxRecvDataSegmentLength=" + value).Append(nil)})
			q := expect[*pdu.TextRequest](e)
			if q.ITT != p.ITT || i == 0 && q.TTT != 7 {
				t.Errorf("request %+v", q)
			}
			if i == 1 {
				if q.TTT != pdu.ReservedTag || textOf(q.Data).String() != textOf(p.Data).String() {
					t.Errorf("the request after a repeated key is %+v", q)
				}
				second(q)
			}
		}
	}
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, script(func(e *fakeEnd) {
			twice(e, func(q *pdu.TextRequest) {
				e.write(&pdu.TextResponse{Final: true, ITT: q.ITT, TTT: pdu.ReservedTag, Data: base("MaxRecvDataSegmentLength=1024").Append(nil)})
			})
			e.disk(make([]byte, 512), nil)
		}))
		s := mustLogin(t, n, config())
		got, err := s.Text(t.Context(), base("InitiatorAlias=host"))
		if limit := s.Info().Params.PeerMaxRecvDataSegmentLength; err != nil || limit != 1024 || len(got) != 1 {
			t.Errorf("%v, %v, limit %d", got, err, limit)
		}
	})
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, script(func(e *fakeEnd) {
			twice(e, func(q *pdu.TextRequest) {
				e.write(&pdu.TextResponse{Final: true, ITT: q.ITT, TTT: pdu.ReservedTag, Data: base("TargetAlias=a", "TargetAlias=b").Append(nil)})
			})
			e.read()
		}))
		s := mustLogin(t, n, config())
		before := s.Info().Params.PeerMaxRecvDataSegmentLength
		var broken *ProtocolError
		if _, err := s.Text(t.Context(), base("InitiatorAlias=host")); !errors.As(err, &broken) {
			t.Errorf("got %v, want a *ProtocolError", err)
		}
		<-s.Done()
		if after := s.Info().Params.PeerMaxRecvDataSegmentLength; after != before {
			t.Errorf("limit %d, want %d", after, before)
		}
	})
}

func TestTextIsRefusedBeforeItIsSent(t *testing.T) {
	for name, c := range map[string]struct {
		pairs     text.Pairs
		discovery bool
		want      string
	}{
		"login key":         {base("MaxBurstLength=512"), false, "13.13"},
		"digest":            {base("HeaderDigest=None"), false, "13.1"},
		"security":          {base("CHAP_A=5"), false, "12.1.3"},
		"target's key":      {base("TargetAlias=x"), false, "13.6"},
		"value":             {base("MaxRecvDataSegmentLength=511"), false, "13.12"},
		"reserved word":     {base("X-com.example.a=Reject"), false, "6.2"},
		"withdrawn prefix":  {base("X#com.example.a=1"), false, "6.1"},
		"long name":         {base("X-" + strings.Repeat("k", 62) + "=1"), false, "6.1"},
		"twice":             {base("InitiatorAlias=a", "InitiatorAlias=b"), false, "6.4"},
		"beside SendTarget": {base("SendTargets=All", "InitiatorAlias=a"), false, "Appendix C"},
		"private":           {base("X-com.example.a=1"), true, "13.22"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *fakeNetwork) {
				n.at(portalA, script(func(e *fakeEnd) {
					if p := e.read(); p != nil {
						t.Errorf("came %T", p)
					}
				}))
				cfg := config()
				if c.discovery {
					discoveryConfig(&cfg)
				}
				s := mustLogin(t, n, cfg)
				var key *text.KeyError
				if _, err := s.Text(t.Context(), c.pairs); !errors.As(err, &key) || !strings.HasSuffix(key.Clause, c.want) {
					t.Errorf("got %v, want a *text.KeyError of %s", err, c.want)
				}
				s.Close()
			})
		})
	}
}

func TestRejectedTextLeavesTheSession(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, script(func(e *fakeEnd) {
			p := expect[*pdu.TextRequest](e)
			e.write(&pdu.TextResponse{ITT: p.ITT, TTT: 7, Data: base("MaxRecvDataSegmentLength=512").Append(nil)})
			p = expect[*pdu.TextRequest](e)
			var h pdu.BHS
			p.EncodeBHS(&h)
			e.write(&pdu.Reject{Reason: pdu.RejectProtocolError, Data: h[:]})
			answersText(nil)(e)
		}))
		s := mustLogin(t, n, config())
		before := s.Info().Params.PeerMaxRecvDataSegmentLength
		var rejected *RejectError
		if _, err := s.Text(t.Context(), nil); !errors.As(err, &rejected) {
			t.Errorf("got %v, want a *RejectError", err)
		}
		if after := s.Info().Params.PeerMaxRecvDataSegmentLength; after != before {
			t.Errorf("limit %d, want %d", after, before)
		}
		if _, err := s.Text(t.Context(), nil); err != nil || s.tasks.live != 0 {
			t.Errorf("again: %v, %d tasks left", err, s.tasks.live)
		}
	})
}

// A request that is under way keeps its turn when its requester has gone.
func TestTextWaitsForTheOneBefore(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, script(func(e *fakeEnd) {
			p := expect[*pdu.TextRequest](e)
			time.Sleep(5 * time.Second)
			e.write(&pdu.TextResponse{Final: true, ITT: p.ITT, TTT: pdu.ReservedTag, Data: base("TargetAlias=first").Append(nil)})
			answersText(base("TargetAlias=second"))(e)
		}))
		s := mustLogin(t, n, config())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if _, err := s.Text(ctx, nil); err == nil || time.Since(start) != time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		got, err := s.Text(t.Context(), nil)
		if alias, _ := got.Get("TargetAlias"); err != nil || alias != "second" || time.Since(start) != 5*time.Second {
			t.Errorf("%v, %v after %v", got, err, time.Since(start))
		}
	})
}

func TestLoginKeysOfTheTargetInText(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		asked := base("MaxBurstLength=512", "X-com.example.a=1", "TargetAlias=x", "TargetAddress=10.0.0.1", "TargetAddress=10.0.0.2")
		n.at(portalA, script(func(e *fakeEnd) {
			p := expect[*pdu.TextRequest](e)
			e.write(&pdu.TextResponse{ITT: p.ITT, TTT: 7, Data: asked.Append(nil)})
			p = expect[*pdu.TextRequest](e)
			if got, want := textOf(p.Data), base("MaxBurstLength=Reject", "X-com.example.a=NotUnderstood"); !slices.Equal(got, want) {
				t.Errorf("answers %v, want %v", got, want)
			}
			e.write(&pdu.TextResponse{Final: true, ITT: p.ITT, TTT: pdu.ReservedTag})
			e.disk(nil, nil)
		}))
		s := mustLogin(t, n, config())
		before := s.Info().Params
		if _, err := s.Text(t.Context(), nil); err != nil || s.Info().Params != before {
			t.Errorf("%v, parameters %+v", err, s.Info().Params)
		}
	})
}
