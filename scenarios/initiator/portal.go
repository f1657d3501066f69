package initiator

import (
	"fmt"
	"net"
	"sync"

	"github.com/iscsispec/iscsispec/iscsi"
)

// acceptedMax bounds the connections that wait at one portal; further ones wait in the transport.
const acceptedMax = 256

// portal is where the array listens. One goroutine takes connections, in order, until close.
type portal struct {
	letter   string
	address  iscsi.Address
	listener net.Listener

	mu      sync.Mutex // never held while waiting
	waiting []net.Conn
	room    chan struct{} // capacity 1
	closed  bool
	done    chan struct{}
}

func newPortal(letter string, l net.Listener) (*portal, error) {
	address, err := iscsi.ParseAddress(l.Addr().String())
	if err != nil {
		return nil, fmt.Errorf("portal %s: %w", letter, err)
	}
	return &portal{letter: letter, address: address, listener: l, room: make(chan struct{}, 1), done: make(chan struct{})}, nil
}

// serve takes connections and tells each of them.
func (p *portal) serve(ring func()) {
	defer close(p.done)
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		if p.closed {
			c.Close()
		} else {
			p.waiting = append(p.waiting, c)
		}
		full := len(p.waiting) >= acceptedMax
		p.mu.Unlock()
		ring()
		if full {
			<-p.room
		}
	}
}

// take returns the connection that has waited longest, or nil.
func (p *portal) take() net.Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) == 0 {
		return nil
	}
	c := p.waiting[0]
	p.waiting = p.waiting[1:]
	p.makeRoom()
	return c
}

func (p *portal) makeRoom() {
	select {
	case p.room <- struct{}{}:
	default:
	}
}

// close ends the portal and all that still waits there.
func (p *portal) close() {
	p.mu.Lock()
	waiting := p.waiting
	p.waiting, p.closed = nil, true
	p.makeRoom()
	p.mu.Unlock()
	for _, c := range waiting {
		c.Close()
	}
	p.listener.Close()
	<-p.done
}

// listen opens a portal of the embedded array: A is 10.0.1.1:3260, B is 10.0.1.2:3260 and so on.
func (e *embedded) listen(letter string) (*portal, error) {
	if len(letter) != 1 || letter < "A" || letter > "Z" {
		return nil, fmt.Errorf("portal %q: want a letter from A to Z", letter)
	}
	l, err := e.array.Listen(fmt.Sprintf("10.0.1.%d:3260", letter[0]-'A'+1))
	if err != nil {
		return nil, err
	}
	return newPortal(letter, l)
}
