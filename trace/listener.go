package trace

import (
	"fmt"
	"net"
)

// Listener wraps a listener so that every connection it accepts is tapped, under the node and a name made of the given one and a number:
// "name#1", "name#2". No number comes twice in one Log, whatever the listener. A nil Log returns inner.
func (l *Log) Listener(inner net.Listener, node, name string) net.Listener {
	if l == nil {
		return inner
	}
	return &tappedListener{Listener: inner, log: l, node: node, name: name}
}

type tappedListener struct {
	net.Listener
	log        *Log
	node, name string
}

func (t *tappedListener) Accept() (net.Conn, error) {
	c, err := t.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return t.log.Tap(c, t.node, fmt.Sprintf("%s#%d", t.name, t.log.accepted.Add(1))), nil
}
