package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/chap"
)

// toolName is the initiator name of the verbs that act as an initiator, unless --initiator says otherwise.
const toolName = "iqn.2026-01.org.iscsispec:tool"

// discoverLimit bounds the whole verb on the wall clock.
const discoverLimit = 30 * time.Second

func (p *program) discoverCommand() *cobra.Command {
	name, asJSON := toolName, false
	cmd := &cobra.Command{
		Use:   "discover URL",
		Short: "List the targets behind a portal (SendTargets)",
		Long: `discover logs in to a discovery session at iscsi://[user[%password]@]host[:port], asks for all targets, and prints
one line a portal: the target's name, the address with its portal group tag, and a URL.

Credentials are better given as ISCSISPEC_CHAP_USERNAME and ISCSISPEC_CHAP_PASSWORD than in the URL, which other users
of the machine can see.`,
		Args: one("URL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			u, err := p.parseURL(cmd, args[0])
			if err != nil {
				return err
			}
			if err := iscsi.ValidName(name); err != nil {
				return usageError("--initiator: %w", err)
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), discoverLimit)
			defer cancel()
			found, err := discover(ctx, u, name)
			if err != nil {
				return discoverFailed(cmd.Context(), u, err)
			}
			return printFound(cmd.OutOrStdout(), u, found, asJSON)
		},
	}
	cmd.Flags().StringVar(&name, "initiator", toolName, "iSCSI name to log in with")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// discoverFailed words what stopped a discovery, and knows an interruption from a peer that failed.
func discoverFailed(ctx context.Context, u iscsi.URL, err error) error {
	if ctx.Err() != nil {
		return leave(exitInterrupted)
	}
	return unreachable("discovery at %s: %w", u.Portal, err)
}

// parseURL reads a URL with the environment's credentials, and warns where the password stands in the URL.
func (p *program) parseURL(cmd *cobra.Command, raw string) (iscsi.URL, error) {
	u, err := iscsi.ParseURL(raw)
	if err != nil {
		return u, err
	}
	if u.Password != "" || u.TargetPassword != "" {
		fmt.Fprintln(cmd.ErrOrStderr(), "iscsispec: warning: a password in a URL is visible to other users of this machine; ISCSISPEC_CHAP_PASSWORD is not")
	}
	return u.WithEnvironment(os.Getenv), nil
}

// discover runs one discovery session from login to logout.
func discover(ctx context.Context, u iscsi.URL, name string) ([]initiator.DiscoveredTarget, error) {
	session, err := initiator.Login(ctx, new(net.Dialer), initiator.LoginConfig{
		InitiatorName: name, Type: initiator.DiscoverySession, ISID: randomISID(), Portal: u.Portal, CHAP: credentials(u),
	})
	if err != nil {
		return nil, err
	}
	defer session.Close()
	found, err := session.SendTargets(ctx, "All")
	if err != nil {
		return nil, err
	}
	// The answer is there; a target that stumbles over the logout does not take it back.
	_ = session.Logout(ctx)
	return found, nil
}

// credentials are the URL's as the initiator takes them; nil without any.
func credentials(u iscsi.URL) *initiator.CHAP {
	if u.User == "" {
		return nil
	}
	// Whoever types a short secret at a tool for testing targets means it.
	c := &initiator.CHAP{Name: u.User, Secret: u.Password, TargetName: u.TargetUser, TargetSecret: u.TargetPassword, AllowShortSecret: true}
	for _, a := range []chap.Algorithm{chap.MD5, chap.SHA1, chap.SHA256, chap.SHA3256} {
		if a.String() == u.Auth {
			c.Algorithms = []chap.Algorithm{a}
		}
	}
	return c
}

// randomISID draws an ISID of the random format (RFC 7143, Section 11.12.5), so that the verb never takes the place of
// another initiator's session.
func randomISID() iscsi.ISID {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return iscsi.RandomISID(binary.BigEndian.Uint32(b[:4])&0xffffff, binary.BigEndian.Uint16(b[4:]))
}

// foundPortal is one line of what discover prints.
type foundPortal struct {
	Target string `json:"target"`
	Portal string `json:"portal"`
	URL    string `json:"url"`
}

func printFound(w io.Writer, asked iscsi.URL, found []initiator.DiscoveredTarget, asJSON bool) error {
	lines := []foundPortal{}
	for _, t := range found {
		addresses := t.Addresses
		if len(addresses) == 0 {
			addresses = []iscsi.TargetAddress{{Address: asked.Portal}}
		}
		for _, a := range addresses {
			u := iscsi.URL{Portal: a.Address, Target: t.Name}
			lines = append(lines, foundPortal{t.Name, a.String(), u.String()})
		}
	}
	if asJSON {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(lines)
	}
	for _, l := range lines {
		if _, err := fmt.Fprintf(w, "%s  %s  %s\n", l.Target, l.Portal, l.URL); err != nil {
			return err
		}
	}
	return nil
}
