package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
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
	o := &connectOptions{}
	cmd := &cobra.Command{
		Use:   "discover URL",
		Short: "List the targets behind a portal (SendTargets)",
		Long: `discover logs in to a discovery session at iscsi://[user[%password]@]host[:port], asks for all targets, and prints
one line a portal: the target's name, the address with its portal group tag, and a URL.

Exit status: 0 the portal answered, 3 it could not be reached.` + credentialsHelp,
		Example: `  iscsispec discover iscsi://192.0.2.10
  iscsispec discover iscsi://[2001:db8::1]:3261 --json
  iscsispec discover iscsi://192.0.2.10 --as windows-like`,
		Args: one("URL"),
		RunE: p.onURL(o.discoverAt),
	}
	o.addFlags(cmd)
	return cmd
}

// discoverAt is the verb.
func (o *connectOptions) discoverAt(cmd *cobra.Command, u iscsi.URL) error {
	if err := o.check(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), discoverLimit)
	defer cancel()
	found, err := o.discover(ctx, u)
	if err != nil {
		return o.discoverFailed(cmd.Context(), u, err)
	}
	return printFound(cmd.OutOrStdout(), u, found, o.asJSON)
}

// onURL reads the URL that is a verb's one argument, and hands it to what the verb does.
func (p *program) onURL(do func(cmd *cobra.Command, u iscsi.URL) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		u, err := p.parseURL(cmd, args[0])
		if err != nil {
			return err
		}
		if err := checkURL(u); err != nil {
			return err
		}
		return do(cmd, u)
	}
}

// discoverFailed words what stopped a discovery, and knows an interruption from a peer that failed.
func (o *connectOptions) discoverFailed(ctx context.Context, u iscsi.URL, err error) error {
	if ctx.Err() != nil {
		return leave(exitInterrupted)
	}
	var own *statusError
	if errors.As(err, &own) {
		return err
	}
	return unreachable("discovery at %s: %w", u.Portal, o.advised(u, err))
}

// parseURL reads a URL with the environment's credentials, and warns where a password stands in the URL or nothing can come of one.
func (p *program) parseURL(cmd *cobra.Command, raw string) (iscsi.URL, error) {
	u, err := iscsi.ParseURL(raw)
	if err != nil {
		return u, err
	}
	if u.Password != "" || u.TargetPassword != "" {
		fmt.Fprintln(cmd.ErrOrStderr(), "iscsispec: warning: a password in a URL is visible to other users of this machine; ISCSISPEC_CHAP_PASSWORD is not")
	}
	full := u.WithEnvironment(os.Getenv)
	if half := halfCredentials(u, full); half != "" {
		fmt.Fprintf(cmd.ErrOrStderr(), "iscsispec: warning: %s\n", half)
	}
	return full, nil
}

// discover runs one discovery session from login to logout, also when the verb is interrupted.
func (o *connectOptions) discover(ctx context.Context, u iscsi.URL) ([]initiator.DiscoveredTarget, error) {
	session, err := o.login(ctx, u, initiator.DiscoverySession)
	if err != nil {
		return nil, err
	}
	defer session.Close()
	found, err := session.SendTargets(ctx, "All")
	// The answer is there, or there is none; a target that stumbles over the logout changes nothing about it.
	_ = session.Logout(context.WithoutCancel(ctx))
	return found, err
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
		return writeJSON(w, lines)
	}
	for _, l := range lines {
		if _, err := fmt.Fprintf(w, "%s  %s  %s\n", l.Target, l.Portal, l.URL); err != nil {
			return err
		}
	}
	return nil
}
