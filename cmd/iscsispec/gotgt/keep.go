package gotgt

import (
	"context"
	"net"

	"github.com/iscsispec/iscsispec/iscsi"
)

// Kept is a child that is started again when it has died, as gotgt does over some logins. It belongs to one goroutine.
type Kept struct {
	executable string
	size       int64
	child      *Child
}

// Keep starts a child as Start does.
func Keep(ctx context.Context, executable string, size int64) (*Kept, error) {
	child, err := Start(ctx, executable, size)
	if err != nil {
		return nil, err
	}
	return &Kept{executable: executable, size: size, child: child}, nil
}

// Child returns the child of the moment.
func (k *Kept) Child() *Child { return k.child }

// Fresh starts the child again when it takes no connection, and returns where it is now.
func (k *Kept) Fresh(ctx context.Context) (iscsi.URL, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", k.child.Address)
	if err == nil {
		// Nothing was sent over it.
		_ = conn.Close()
		return iscsi.ParseURL(k.child.URL)
	}
	k.child.Stop()
	child, err := Start(ctx, k.executable, k.size)
	if err != nil {
		return iscsi.URL{}, err
	}
	k.child = child
	return iscsi.ParseURL(child.URL)
}

// Stop ends the child.
func (k *Kept) Stop() { k.child.Stop() }
