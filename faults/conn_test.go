package faults

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/iscsispec/iscsispec/internal/leaks"
	"github.com/iscsispec/iscsispec/trace"
)

func TestMain(m *testing.M) { leaks.Main(m) }

const portalA = "10.0.0.1:3260"

// pair is a network of two hosts with one open connection.
type pair struct {
	network  *Network
	log      *trace.Log
	from     *Host
	listener net.Listener
	dialled  net.Conn
	accepted net.Conn
}

func newPair(t *testing.T, opts Options) *pair {
	t.Helper()
	p := &pair{log: trace.NewLog()}
	p.network = NewNetwork(1, p.log, opts)
	p.from = p.network.Host("initiator", "10.0.1.1")
	l, err := p.network.Host("array", "10.0.0.9").Listen(portalA)
	if err != nil {
		t.Fatal(err)
	}
	p.listener = l
	p.connect(t)
	return p
}

func (p *pair) connect(t *testing.T) {
	t.Helper()
	var err error
	if p.dialled, err = p.from.DialContext(t.Context(), "tcp", portalA); err != nil {
		t.Fatal(err)
	}
	if p.accepted, err = p.listener.Accept(); err != nil {
		t.Fatal(err)
	}
}

func (p *pair) close() {
	p.dialled.Close()
	p.accepted.Close()
	p.listener.Close()
	p.network.Close()
}

// inBubble runs f on virtual time with a pair, and closes it.
func inBubble(t *testing.T, opts Options, f func(t *testing.T, p *pair)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, opts)
		defer p.close()
		f(t, p)
	})
}

func mustWrite(t *testing.T, c net.Conn, b []byte) {
	t.Helper()
	if n, err := c.Write(b); err != nil || n != len(b) {
		t.Fatalf("wrote %d of %d bytes: %v", n, len(b), err)
	}
}

func mustRead(t *testing.T, c net.Conn, want []byte) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("read %q, %v; want %q", got, err, want)
	}
}

func readError(c net.Conn) error {
	_, err := c.Read(make([]byte, 1))
	return err
}

func TestBytesArriveAfterTheLatency(t *testing.T) {
	inBubble(t, Options{Latency: 3 * time.Millisecond, Jitter: -1}, func(t *testing.T, p *pair) {
		start := time.Now()
		mustWrite(t, p.dialled, []byte("hello"))
		mustRead(t, p.accepted, []byte("hello"))
		if took := time.Since(start); took < 3*time.Millisecond || took > 4*time.Millisecond {
			t.Errorf("one way took %v, want 3 ms and a lane's width", took)
		}
		mustWrite(t, p.accepted, []byte("world"))
		mustRead(t, p.dialled, []byte("world"))
	})
}

func TestAnOrderlyCloseIsTheEndOfTheStreamBehindTheData(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, p *pair) {
		mustWrite(t, p.dialled, []byte("last words"))
		p.dialled.Close()
		mustRead(t, p.accepted, []byte("last words"))
		if err := readError(p.accepted); !errors.Is(err, io.EOF) {
			t.Errorf("read %v, want EOF", err)
		}
		if err := readError(p.dialled); !errors.Is(err, net.ErrClosed) {
			t.Errorf("read of one's own closed end: %v, want net.ErrClosed", err)
		}
		// A write to a peer that is gone is taken, and answered by a reset.
		mustWrite(t, p.accepted, []byte("anybody there?"))
		time.Sleep(time.Second)
		if _, err := p.accepted.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("write after the reset: %v, want ECONNRESET", err)
		}
		if _, err := p.accepted.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("write after the error was told: %v, want EPIPE", err)
		}
	})
}

func TestHalfCloseLeavesTheOtherHalfOpen(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, p *pair) {
		if err := p.dialled.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if err := readError(p.accepted); !errors.Is(err, io.EOF) {
			t.Errorf("read %v, want EOF", err)
		}
		mustWrite(t, p.accepted, []byte("still here"))
		mustRead(t, p.dialled, []byte("still here"))
		if _, err := p.dialled.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("write behind the half-close: %v, want EPIPE", err)
		}
	})
}

func TestClosingWithLingerZeroOrUnreadBytesResets(t *testing.T) {
	for name, provoke := range map[string]func(t *testing.T, p *pair){
		"linger": func(t *testing.T, p *pair) {
			if err := p.dialled.(interface{ SetLinger(int) error }).SetLinger(0); err != nil {
				t.Fatal(err)
			}
		},
		"unread": func(t *testing.T, p *pair) {
			mustWrite(t, p.accepted, []byte("nobody reads this"))
			time.Sleep(time.Second)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, Options{}, func(t *testing.T, p *pair) {
				provoke(t, p)
				p.dialled.Close()
				if err := readError(p.accepted); !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("read %v, want ECONNRESET", err)
				}
			})
		})
	}
}

func TestDeadlinesEndWaits(t *testing.T) {
	inBubble(t, Options{Window: windowSmall}, func(t *testing.T, p *pair) {
		start := time.Now()
		p.dialled.SetReadDeadline(start.Add(2 * time.Second))
		if err := readError(p.dialled); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != 2*time.Second {
			t.Errorf("read %v after %v, want a timeout after 2 s", err, time.Since(start))
		}
		p.dialled.SetReadDeadline(time.Time{})
		p.dialled.SetWriteDeadline(start.Add(3 * time.Second))
		n, err := p.dialled.Write(make([]byte, 2*windowSmall))
		if !errors.Is(err, os.ErrDeadlineExceeded) || n != windowSmall || time.Since(start) != 3*time.Second {
			t.Errorf("wrote %d, %v after %v; want the window's %d and a timeout after 3 s", n, err, time.Since(start), windowSmall)
		}
		go func() {
			time.Sleep(time.Second)
			p.accepted.SetReadDeadline(time.Now())
		}()
		buf := make([]byte, 2*windowSmall)
		if n, err := io.ReadFull(p.accepted, buf); n != windowSmall || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read %d, %v; want %d and a timeout that came while waiting", n, err, windowSmall)
		}
	})
}

func TestAFullWindowHoldsTheWriterUntilTheReaderReads(t *testing.T) {
	inBubble(t, Options{Window: windowSmall}, func(t *testing.T, p *pair) {
		wrote := make(chan time.Time, 1)
		start := time.Now()
		go func() {
			p.dialled.Write(make([]byte, 3*windowSmall))
			wrote <- time.Now()
		}()
		time.Sleep(10 * time.Second)
		if _, err := io.ReadFull(p.accepted, make([]byte, 3*windowSmall)); err != nil {
			t.Fatal(err)
		}
		if at := <-wrote; at.Sub(start) < 10*time.Second {
			t.Errorf("the writer was done after %v, before anybody read", at.Sub(start))
		}
	})
}

func TestDials(t *testing.T) {
	tests := []struct {
		name    string
		address string
		prepare func(n *Network)
		limit   time.Duration
		want    error
		after   time.Duration
	}{
		{name: "refused for want of a listener", address: "10.0.0.1:99", want: syscall.ECONNREFUSED},
		{name: "refused by a fault", address: portalA, prepare: func(n *Network) { n.Refuse(Everything) }, want: syscall.ECONNREFUSED},
		{name: "no such machine", address: "10.9.9.9:3260", want: syscall.EHOSTUNREACH},
		{name: "silence until the context ends", address: portalA, prepare: func(n *Network) { n.Blackhole(Everything) },
			limit: 10 * time.Second, want: context.DeadlineExceeded, after: 10 * time.Second},
		{name: "silence until TCP gives up", address: portalA, prepare: func(n *Network) { n.Blackhole(Everything) },
			limit: time.Hour, want: syscall.ETIMEDOUT, after: 127 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, Options{}, func(t *testing.T, p *pair) {
				if tt.prepare != nil {
					tt.prepare(p.network)
				}
				ctx, cancel := context.WithTimeout(t.Context(), max(tt.limit, time.Second))
				defer cancel()
				start := time.Now()
				_, err := p.from.DialContext(ctx, "tcp", tt.address)
				if !errors.Is(err, tt.want) {
					t.Errorf("dial: %v, want %v", err, tt.want)
				}
				if took := time.Since(start); took < tt.after || took > tt.after+time.Millisecond {
					t.Errorf("it took %v, want %v", took, tt.after)
				}
			})
		})
	}
}

func TestADialThroughAHealedSilenceCompletesWithTheNextRepeat(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, p *pair) {
		p.network.Blackhole(Everything)
		time.AfterFunc(2*time.Second, func() { p.network.Heal(Everything) })
		start := time.Now()
		c, err := p.from.DialContext(t.Context(), "tcp", portalA)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if took := time.Since(start); took < 3*time.Second || took > 3*time.Second+time.Millisecond {
			t.Errorf("connected after %v, want 3 s", took)
		}
	})
}

func TestAddresses(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, p *pair) {
		for _, address := range []string{"999.1.1.1:3260", "10.0.0.1", "10.0.0.1:0", "10.0.0.1:99999", ":3260", "[::1:3260"} {
			if _, err := p.from.DialContext(t.Context(), "tcp", address); err == nil {
				t.Errorf("dialled %q", address)
			}
		}
		if err := p.network.Name("portal-a.test", "10.0.0.1"); err != nil {
			t.Fatal(err)
		}
		c, err := p.from.DialContext(t.Context(), "tcp", "portal-a.test:3260")
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		l, err := p.network.Host("six", "fd00::1").Listen("[::1]:3260")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		c, err = p.from.DialContext(t.Context(), "tcp", "[::1]:3260")
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	})
}

func TestClosingTheNetworkFreesWhoeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Options{})
		errs := make(chan error, 2)
		go func() { errs <- readError(p.dialled) }()
		go func() {
			_, err := p.listener.Accept()
			errs <- err
		}()
		synctest.Wait()
		p.network.Close()
		p.network.Close()
		for range 2 {
			if err := <-errs; err == nil {
				t.Error("a wait ended without an error")
			}
		}
		p.dialled.Close()
		p.accepted.Close()
	})
}
