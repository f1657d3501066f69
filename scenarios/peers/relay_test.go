package peers

import (
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

// relay passes bytes between initiators and a target over real TCP, and resets both ends of a connection when as many bytes have passed as
// the plan allows: somewhere in a login, in a header, in data.
type relay struct {
	target   string
	listener net.Listener
	running  sync.WaitGroup

	mu    sync.Mutex
	plan  []int // Bytes that may pass on each of the next connections; those after the plan are left alone.
	cuts  int
	pairs map[*relayed]bool
}

// relayed is one connection of a relay: both ends, and how many bytes may still pass.
type relayed struct {
	ends   [2]*net.TCPConn
	mu     sync.Mutex
	spare  int
	endure bool // No cut is planned.
}

// startRelay listens on a loopback port until the test ends.
func startRelay(t *testing.T, target string, plan []int) *relay {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{target: target, listener: listener, plan: plan, pairs: map[*relayed]bool{}}
	r.running.Go(r.accept)
	t.Cleanup(r.stop)
	return r
}

// cutPlan draws where the cuts fall, on the average after mean bytes. Every eighth falls within the first bytes: in the login or the
// enumeration. The first connection gets through its own login, which is not repeated when it fails.
func cutPlan(seed uint64, cuts, mean int) []int {
	random := rand.New(rand.NewPCG(seed, 0x637574))
	plan := make([]int, cuts)
	for i := range plan {
		plan[i] = random.IntN(2 * mean)
		if i%8 == 7 {
			plan[i] = random.IntN(4 << 10)
		}
	}
	if cuts > 0 {
		plan[0] += 64 << 10
	}
	return plan
}

func (r *relay) address() string { return r.listener.Addr().String() }

// cutSoFar tells how many connections were reset.
func (r *relay) cutSoFar() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cuts
}

func (r *relay) accept() {
	for {
		near, err := r.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", r.target)
		if err != nil {
			near.Close()
			continue
		}
		p := &relayed{ends: [2]*net.TCPConn{near.(*net.TCPConn), far.(*net.TCPConn)}, endure: true}
		r.mu.Lock()
		if len(r.plan) > 0 {
			p.spare, p.endure, r.plan = r.plan[0], false, r.plan[1:]
		}
		r.pairs[p] = true
		r.mu.Unlock()
		var both sync.WaitGroup
		both.Go(func() { r.copy(p, 0, 1) })
		both.Go(func() { r.copy(p, 1, 0) })
		r.running.Go(func() {
			both.Wait()
			p.ends[0].Close()
			p.ends[1].Close()
			r.mu.Lock()
			delete(r.pairs, p)
			r.mu.Unlock()
		})
	}
}

// copy passes one direction on until it ends, or the connection is cut.
func (r *relay) copy(p *relayed, from, to int) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := p.ends[from].Read(buffer)
		pass, cut := p.take(n)
		if _, failed := p.ends[to].Write(buffer[:pass]); failed != nil {
			err = failed
		}
		if cut {
			r.mu.Lock()
			r.cuts++
			r.mu.Unlock()
			p.reset()
		}
		if err != nil || cut {
			_ = p.ends[to].CloseWrite() // What ends here ends there.
			return
		}
	}
}

// take tells how many of n bytes may pass, and whether the connection is to be cut then, which it says once.
func (p *relayed) take(n int) (pass int, cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.endure || n <= p.spare {
		p.spare -= n
		return n, false
	}
	pass, p.spare, p.endure = p.spare, 0, true
	return pass, true
}

// reset ends both ends at once, without the ordinary close.
func (p *relayed) reset() {
	for _, end := range p.ends {
		_ = end.SetLinger(0)
		end.Close()
	}
}

func (r *relay) stop() {
	r.listener.Close()
	r.mu.Lock()
	for p := range r.pairs {
		p.reset()
	}
	r.mu.Unlock()
	r.running.Wait()
}
