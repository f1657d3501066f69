package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/simtarget"
)

func (p *program) serveCommand() *cobra.Command {
	listen, list := "127.0.0.1:0", false
	cmd := &cobra.Command{
		Use:   "serve PROFILE",
		Short: "Put a simulated array on TCP",
		Long: `serve puts a simulated array on TCP until it is interrupted. PROFILE is one of those that --list shows, or the path
of a YAML file. The first lines on stdout are the URLs of its logical units, one a line; nothing else is printed there.

An array with several portals listens on as many ports: with a port in --listen on that one and those after it, with
port 0 on free ones.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if list {
				return cobra.NoArgs(cmd, args)
			}
			return one("PROFILE")(cmd, args)
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
			var offers []string
			for _, name := range simtarget.Builtins() {
				if len(args) == 0 && strings.HasPrefix(name, typed) {
					offers = append(offers, name)
				}
			}
			return offers, cobra.ShellCompDirectiveDefault
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if list {
				return listProfiles(cmd.OutOrStdout())
			}
			profile, err := findProfile(args[0])
			if err != nil {
				return err
			}
			return serve(cmd.Context(), profile, listen, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&listen, "listen", listen, "address of the first portal")
	cmd.Flags().BoolVar(&list, "list", false, "list the profiles")
	return cmd
}

func listProfiles(w io.Writer) error {
	width := 0
	for _, name := range simtarget.Builtins() {
		width = max(width, len(name))
	}
	for _, name := range simtarget.Builtins() {
		profile, err := simtarget.Builtin(name)
		if err != nil {
			return &statusError{exitDefect, err}
		}
		text := wrap(profile.Description, strings.Repeat(" ", width+2), 110)
		if _, err := fmt.Fprintf(w, "%-*s  %s\n", width, name, strings.TrimSpace(text)); err != nil {
			return err
		}
	}
	return nil
}

// findProfile takes an embedded name or, where it looks like a path, a file.
func findProfile(name string) (*simtarget.Profile, error) {
	if isPath(name) {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, usageError("profile: %w", err)
		}
		profile, err := simtarget.ParseProfile(name, text)
		if err != nil {
			return nil, usageError("%w", err)
		}
		return profile, nil
	}
	for _, known := range simtarget.Builtins() {
		if known == name {
			return simtarget.Builtin(name)
		}
	}
	return nil, usageError("unknown profile %q; nearest: %s (iscsispec serve --list shows all)", name,
		strings.Join(scenarios.Nearest(name, simtarget.Builtins(), 3), ", "))
}

// serve runs the array until ctx ends, which is how it is meant to end.
func serve(ctx context.Context, profile *simtarget.Profile, listen string, out, errOut io.Writer) error {
	doors, err := newDoors(listen)
	if err != nil {
		return err
	}
	array, err := simtarget.New(profile, simtarget.Options{})
	if err != nil {
		return usageError("%w", err)
	}
	if err := array.Start(doors.open); err != nil {
		return &statusError{exitUsage, err}
	}
	for _, u := range array.URLs() {
		if _, err := fmt.Fprintln(out, u); err != nil {
			return errors.Join(err, array.Close())
		}
	}
	fmt.Fprintf(errOut, "iscsispec: serving %s; an interrupt ends it\n", profile.Name)
	if profile.Description != "" {
		fmt.Fprintln(errOut, wrap(profile.Description, "  ", 110))
	}
	<-ctx.Done()
	return array.Close()
}

// doors gives each portal of an array an address of its own to listen on, and the same one again when the portal comes
// back into service.
type doors struct {
	host string
	port int

	mu    sync.Mutex
	given map[string]string
}

func newDoors(listen string) (*doors, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return nil, usageError("--listen %q: want HOST:PORT", listen)
	}
	number, err := strconv.Atoi(port)
	if err != nil || number < 0 || number > 65535 {
		return nil, usageError("--listen %q: want a port from 0 to 65535", listen)
	}
	return &doors{host: host, port: number, given: map[string]string{}}, nil
}

// open listens for the portal at a virtual address.
func (d *doors) open(virtual string) (net.Listener, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	address, again := d.given[virtual]
	if !again {
		port := d.port
		if port != 0 {
			port += len(d.given)
		}
		address = net.JoinHostPort(d.host, strconv.Itoa(port))
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	d.given[virtual] = listener.Addr().String()
	return listener, nil
}
