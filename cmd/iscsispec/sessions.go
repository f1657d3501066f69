package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi"
)

// logoutLimit bounds the logout of one session at the end.
const logoutLimit = 10 * time.Second

// sessionsOptions are the flags of sessions.
type sessionsOptions struct {
	connectOptions
	watch bool
}

func (p *program) sessionsCommand() *cobra.Command {
	o := &sessionsOptions{}
	cmd := &cobra.Command{
		Use:   "sessions URL...",
		Short: "Log in and list sessions and devices",
		Long: `sessions logs in to each iscsi://[user[%password]@]host[:port][/target] with the session manager, lists the sessions
with what was negotiated and the devices with their paths, and logs out. Without a target in the URL that is one session
to each portal group of each target that discovery lists. A URL that is given again adds a session beside the first.

With --watch the sessions are kept up, and every change is told, until an interrupt: a lost connection, attempts to log in
again, devices that come, go, or wait.

Exit status: 0 all logins succeeded, 3 one did not, or a session was lost at once, 130 interrupted.` + credentialsHelp,
		Example: `  iscsispec sessions iscsi://192.0.2.10
  iscsispec sessions iscsi://192.0.2.10 --watch --json
  iscsispec sessions iscsi://192.0.2.10/iqn.2003-01.com.example:disk iscsi://192.0.2.10/iqn.2003-01.com.example:disk --as hypervisor-like`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var urls []iscsi.URL
			for _, arg := range args {
				u, err := p.parseURL(cmd, arg)
				if err != nil {
					return err
				}
				if err := checkURL(u); err != nil {
					return err
				}
				urls = append(urls, u)
			}
			return o.run(cmd, urls)
		},
	}
	o.addFlags(cmd)
	cmd.Flags().BoolVar(&o.watch, "watch", false, "keep the sessions up and tell changes until an interrupt; with --json one object a line")
	return cmd
}

func (o *sessionsOptions) run(cmd *cobra.Command, urls []iscsi.URL) error {
	if err := o.check(); err != nil {
		return err
	}
	dialer, err := environmentDialer()
	if err != nil {
		return err
	}
	cfg := initiator.ManagerConfig{InitiatorName: o.initiator, Ports: []initiator.Port{{Name: "tool", Dialer: dialer}}, ISID: ownISIDs()}
	if o.like != nil {
		if cfg, err = o.like.Manager(cfg); err != nil {
			return usageError("--as: %w", err)
		}
	}
	manager, err := initiator.NewManager(cfg)
	if err != nil {
		return &statusError{exitDefect, err}
	}
	defer manager.Close()
	defer logOutAll(cmd.Context(), manager)
	failed := 0
	for _, u := range urls {
		for _, err := range o.open(cmd.Context(), manager, u) {
			failed++
			if cmd.Context().Err() == nil {
				fmt.Fprintf(cmd.ErrOrStderr(), "iscsispec: %s: %v\n", plainURL(u), o.advised(u, err))
			}
		}
		if cmd.Context().Err() != nil {
			return leave(exitInterrupted)
		}
	}
	now := listingOf(manager)
	if err := now.print(cmd.OutOrStdout(), o.asJSON, o.watch); err != nil {
		return err
	}
	if o.watch && len(now.Sessions) > 0 {
		if err := watch(cmd.Context(), manager, now, cmd.OutOrStdout(), o.asJSON); err != nil {
			return err
		}
	}
	switch {
	case cmd.Context().Err() != nil:
		return leave(exitInterrupted)
	case failed > 0 || now.lost():
		return leave(exitUnreachable)
	}
	return nil
}

// ownISIDs makes ISIDs that are this process's own: the Manager's would be the same for every process of one initiator name,
// and would take the place of another's sessions.
func ownISIDs() func(port int, qualifier uint16) iscsi.ISID {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	random := binary.BigEndian.Uint32(b[:])
	return func(port int, qualifier uint16) iscsi.ISID {
		return iscsi.RandomISID((random+uint32(port))&0xffffff, qualifier)
	}
}

// open logs in to what a URL names, and returns what went wrong.
func (o *sessionsOptions) open(ctx context.Context, m *initiator.Manager, u iscsi.URL) []error {
	spec := initiator.LoginSpec{Kind: initiator.Data, Target: u.Target, Portal: u.Portal, Settings: initiator.LoginSettings{CHAP: credentials(u)}}
	spec.Settings.HeaderDigest, spec.Settings.DataDigest = o.digests(u)
	var exists *initiator.ExistsError
	if u.Target != "" {
		_, err := m.Login(ctx, spec)
		if errors.As(err, &exists) {
			_, err = m.AddSession(ctx, initiator.AddSpec{LoginSpec: spec})
		}
		if err != nil {
			return []error{err}
		}
		return nil
	}
	found, err := discoverWith(ctx, m, spec)
	if err != nil {
		return []error{fmt.Errorf("discovery: %w", err)}
	}
	var failures []error
	for _, t := range found {
		spec.Target = t.Name
		portals := t.Addresses
		if len(portals) == 0 {
			portals = []iscsi.TargetAddress{{Address: u.Portal}}
		}
		for _, portal := range portals {
			spec.Portal = portal.Address
			// Another portal of a group that has its session leads to the same target port.
			if _, err := m.Login(ctx, spec); err != nil && !errors.As(err, &exists) {
				failures = append(failures, fmt.Errorf("%s at %s: %w", t.Name, portal, err))
			}
		}
	}
	return failures
}

// discoverWith asks a portal for its targets, with the credentials of the sessions to come.
func discoverWith(ctx context.Context, m *initiator.Manager, spec initiator.LoginSpec) ([]initiator.DiscoveredTarget, error) {
	ctx, cancel := context.WithTimeout(ctx, discoverLimit)
	defer cancel()
	spec.Kind = initiator.Discovery
	id, err := m.Login(ctx, spec)
	if err != nil {
		return nil, err
	}
	found, err := m.Discover(ctx, id)
	_ = m.Logout(ctx, id) // The answer is there; a stumble over the logout does not take it back.
	return found, err
}

// logOutAll ends the sessions in order, also after an interrupt.
func logOutAll(ctx context.Context, m *initiator.Manager) {
	for _, s := range m.Sessions() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), logoutLimit)
		_ = m.Logout(ctx, s.ID) // What cannot be logged out is closed at the end.
		cancel()
	}
}
