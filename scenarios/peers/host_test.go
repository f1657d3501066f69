package peers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/trace"
)

// host is a session manager with one data session, through which a load goes.
type host struct {
	*initiator.Manager
	log     *trace.Log
	id      initiator.SessionID
	before  initiator.SessionStatus
	devices []string
	disk    string
}

// reconnectInterval is short, so that a hundred losses cost seconds. What a target asks for by DefaultTime2Wait comes on top.
const reconnectInterval = 20 * time.Millisecond

// logIn opens a data session at the address. The caller closes the host.
func logIn(ctx context.Context, address, target string, settings initiator.LoginSettings) (*host, error) {
	return logInWith(ctx, address, target, initiator.ManagerConfig{Defaults: settings, ReconnectInterval: reconnectInterval, Log: trace.NewLog()})
}

// logInWith opens a data session of a session manager with a configuration, to which it adds name and port.
func logInWith(ctx context.Context, address, target string, config initiator.ManagerConfig) (*host, error) {
	portal, err := iscsi.ParseAddress(address)
	if err != nil {
		return nil, err
	}
	config.InitiatorName, config.Ports = "iqn.2026-11.io.github.iscsispec:host", []initiator.Port{{Name: "port", Dialer: &net.Dialer{}}}
	h := &host{log: config.Log}
	if h.Manager, err = initiator.NewManager(config); err != nil {
		return nil, err
	}
	if h.id, err = h.Login(ctx, initiator.LoginSpec{Kind: initiator.Data, Target: target, Portal: portal}); err == nil {
		h.before, err = h.Session(h.id)
	}
	for _, d := range h.Devices() {
		if scsi.DeviceType(d.Type) == scsi.TypeDisk {
			h.disk = d.Name
		}
	}
	h.devices = h.names()
	if err == nil && h.disk == "" {
		err = fmt.Errorf("no disk among %v", h.devices)
	}
	if err != nil {
		h.Close()
		return nil, err
	}
	return h, nil
}

// carry puts a load through the session, holds the session to what it has to keep, and logs out.
func (h *host) carry(ctx context.Context, l *load) error {
	l.do = func(ctx context.Context, r *initiator.Request) error { return h.DoDevice(ctx, h.disk, r) }
	if err := l.run(ctx); err != nil {
		return err
	}
	return errors.Join(h.kept(), h.Logout(ctx, h.id))
}

// kept tells whether the session is the one that was opened, in use and with its devices, none of which ever left.
func (h *host) kept() error {
	now := h.Sessions()
	if len(now) != 1 || now[0].ID != h.id || now[0].ISID != h.before.ISID || now[0].State != h.before.State {
		return fmt.Errorf("sessions %+v, want the one of the beginning, %+v", now, h.before)
	}
	if got := h.names(); !slices.Equal(got, h.devices) {
		return fmt.Errorf("devices %v, want %v", got, h.devices)
	}
	for _, e := range h.log.Events().OfKind(trace.KindDevice) {
		if e.State == "removed" {
			return fmt.Errorf("%s was removed at %v: %s", e.Device, e.At, e.Reason)
		}
	}
	return nil
}

func (h *host) names() (all []string) {
	for _, d := range h.Devices() {
		all = append(all, d.Name)
	}
	return all
}
