package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi"
)

// connectOptions are the flags of the verbs that log in to a target as its initiator.
type connectOptions struct {
	initiator                string
	as                       string
	headerDigest, dataDigest digestList
	asJSON                   bool
	// like is the profile that as names; nil for none. check reads it.
	like *initiator.Profile
}

// credentialsHelp ends the help of the verbs that log in.
const credentialsHelp = `

Credentials are better given as ISCSISPEC_CHAP_USERNAME and ISCSISPEC_CHAP_PASSWORD (and _TARGET_USERNAME,
_TARGET_PASSWORD for mutual CHAP) than in the URL, which other users of the machine can see.
LIBISCSI_TCP_KEEPIDLE, _KEEPINTVL, _KEEPCNT, _USER_TIMEOUT, _SYNCNT and LIBISCSI_BIND_INTERFACES are heeded.`

func (o *connectOptions) addFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&o.initiator, "initiator", toolName, "iSCSI name to log in with")
	flags.StringVar(&o.as, "as", "", "log in as a fielded initiator would: a name that iscsispec list --profiles shows, or a YAML file")
	_ = cmd.RegisterFlagCompletionFunc("as", completeProfiles) // It errs for a flag that there is none of.
	flags.Var(&o.headerDigest, "header-digest", "what to offer as header digest: crc32c, none, or both in the order of preference")
	flags.Var(&o.dataDigest, "data-digest", "the same for the data digest")
	flags.BoolVar(&o.asJSON, "json", false, "print JSON")
}

// check refuses what is wrong with the flags before anything is dialled.
func (o *connectOptions) check() error {
	if o.as != "" {
		like, err := findInitiator(o.as)
		if err != nil {
			return err
		}
		o.like = like
		if o.initiator == toolName && like.InitiatorName != "" {
			o.initiator = like.InitiatorName
		}
	}
	if err := iscsi.ValidName(o.initiator); err != nil {
		return usageError("--initiator: %w", err)
	}
	return nil
}

// login logs in once, in the manners of the profile if there is one.
func (o *connectOptions) login(ctx context.Context, u iscsi.URL, kind initiator.SessionType) (*initiator.Session, error) {
	cfg := initiator.LoginConfig{InitiatorName: o.initiator, Type: kind, ISID: randomISID(), Portal: u.Portal, CHAP: credentials(u)}
	if kind == initiator.NormalSession {
		cfg.TargetName = u.Target
	}
	cfg.HeaderDigest, cfg.DataDigest = o.digests(u)
	if kind == initiator.DiscoverySession {
		// What the URL says of digests is meant for the sessions to its target.
		cfg.HeaderDigest, cfg.DataDigest = o.headerDigest, o.dataDigest
	}
	if o.like != nil {
		var err error
		if cfg, err = o.like.Single(cfg); err != nil {
			return nil, usageError("--as: %w", err)
		}
	}
	dialer, err := environmentDialer()
	if err != nil {
		return nil, err
	}
	return initiator.Login(ctx, dialer, cfg)
}

// environmentDialer dials with the TCP options that the environment asks for.
func environmentDialer() (initiator.Dialer, error) {
	options, err := iscsi.TCPOptionsFromEnvironment(os.Getenv)
	if err != nil {
		return nil, usageError("%w", err)
	}
	return &initiator.TCPDialer{Options: options}, nil
}

// digests returns the preference lists: the flags', or what the URL asks for, or nil for the initiator's own.
func (o *connectOptions) digests(u iscsi.URL) (header, data []string) {
	header, data = o.headerDigest, o.dataDigest
	if header == nil && u.HeaderDigest != "" {
		header = []string{u.HeaderDigest}
	}
	if data == nil && u.DataDigest != "" {
		data = []string{u.DataDigest}
	}
	return header, data
}

// withSession logs in to the URL's target, runs f, and logs out, also when the verb is interrupted. Its error knows the
// status to leave with.
func (o *connectOptions) withSession(cmd *cobra.Command, u iscsi.URL, f func(context.Context, *initiator.Session) error) error {
	ctx := cmd.Context()
	session, err := o.login(ctx, u, initiator.NormalSession)
	if err != nil {
		return o.connectFailed(ctx, u, err)
	}
	defer session.Close()
	err = f(ctx, session)
	// What was asked for is done or has failed; a target that stumbles over the logout changes nothing about it.
	_ = session.Logout(context.WithoutCancel(ctx))
	if err != nil {
		return o.connectFailed(ctx, u, err)
	}
	return nil
}

// connectFailed words what stopped a verb: an interruption, a demand that the unit cannot meet, an answer that is a refusal,
// or a peer that could not be reached.
func (o *connectOptions) connectFailed(ctx context.Context, u iscsi.URL, err error) error {
	var own *statusError
	var misfit *initiator.RangeError
	var refused *initiator.StatusError
	place := plainURL(u)
	err = o.advised(u, err)
	switch {
	case errors.As(err, &own):
		return err
	case ctx.Err() != nil:
		return leave(exitInterrupted)
	case errors.As(err, &misfit):
		return usageError("%s: %w", place, err)
	case errors.As(err, &refused):
		return &statusError{exitFindings, fmt.Errorf("%s: %w", place, err)}
	}
	return unreachable("%s: %w", place, err)
}

// plainURL names a place without credentials and arguments.
func plainURL(u iscsi.URL) iscsi.URL {
	return iscsi.URL{Portal: u.Portal, Target: u.Target, LUN: u.LUN, HasLUN: u.HasLUN}
}

// targets returns the URL itself where it names a target, and otherwise one for each target that discovery lists at its portal.
func (o *connectOptions) targets(ctx context.Context, u iscsi.URL) ([]iscsi.URL, error) {
	if u.Target != "" {
		return []iscsi.URL{u}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, discoverLimit)
	defer cancel()
	found, err := o.discover(ctx, u)
	if err != nil {
		return nil, err
	}
	var all []iscsi.URL
	for _, t := range found {
		one := u
		one.Target = t.Name
		here := slices.ContainsFunc(t.Addresses, func(a iscsi.TargetAddress) bool { return a.HostPort() == u.Portal.HostPort() })
		if !here && len(t.Addresses) > 0 {
			one.Portal = t.Addresses[0].Address
		}
		all = append(all, one)
	}
	if len(all) == 0 {
		return nil, errors.New("discovery lists no target")
	}
	return all, nil
}

// soleTarget is targets for a verb that deals with one.
func (o *connectOptions) soleTarget(ctx context.Context, u iscsi.URL) (iscsi.URL, error) {
	all, err := o.targets(ctx, u)
	switch {
	case err != nil:
		return u, o.discoverFailed(ctx, u, err)
	case len(all) > 1:
		names := make([]string, 0, len(all))
		for _, one := range all {
			names = append(names, plainURL(one).String())
		}
		return u, usageError("there are %d targets at %s; name one of them:\n  %s", len(all), u.Portal, strings.Join(names, "\n  "))
	}
	return all[0], nil
}

// digestList is the value of a flag: a preference list of digests.
type digestList []string

func (l *digestList) String() string { return strings.ToLower(strings.Join(*l, ",")) }

func (l *digestList) Type() string { return "list" }

func (l *digestList) Set(text string) error {
	*l = nil
	for word := range strings.SplitSeq(text, ",") {
		name := ""
		for _, known := range []string{"CRC32C", "None"} {
			if strings.EqualFold(strings.TrimSpace(word), known) {
				name = known
			}
		}
		if name == "" || slices.Contains(*l, name) {
			return errors.New(`want "crc32c", "none", "crc32c,none" or "none,crc32c"`)
		}
		*l = append(*l, name)
	}
	return nil
}

// byteCount is the value of a flag: a number of bytes, with K, M, G or T for powers of 1024.
type byteCount int64

func (c *byteCount) String() string { return fmt.Sprint(int64(*c)) }

func (c *byteCount) Type() string { return "bytes" }

func (c *byteCount) Set(text string) error {
	n, err := parseBytes(text)
	if err != nil {
		return err
	}
	*c = byteCount(n)
	return nil
}

// writeJSON prints a value as JSON for people and programs.
func writeJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}
