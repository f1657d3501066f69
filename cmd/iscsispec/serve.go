package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/iscsispec/iscsispec/internal/profiles"
	"github.com/iscsispec/iscsispec/reports"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/simtarget"
	"github.com/iscsispec/iscsispec/simtarget/server"
)

// serveOptions are the flags of serve.
type serveOptions struct {
	config      string
	profiles    []string
	listen      string
	luns        []string
	chap        serveCHAP
	status      string
	grace       time.Duration
	lifetime    time.Duration
	record      string
	recordLimit string
	realPorts   bool
	json, list  bool
}

func (p *program) serveCommand() *cobra.Command {
	o := &serveOptions{}
	cmd := &cobra.Command{
		Use:   "serve PROFILE[@HOST:PORT]...",
		Short: "Put simulated arrays on TCP",
		Long: `serve puts simulated arrays on TCP until it is interrupted. PROFILE is one of those that --list shows, or the path of a
YAML file. The first lines on stdout are the URLs of the logical units, one a line; nothing else is printed there. With
--json they are objects, one a line, and the one whose event is "ready" says that everything listens.

An array with several portals listens on as many ports: with a port in its address on that one and those after it, with
port 0 on free ones. --config reads a YAML file instead, which can say more: docs/serve.md has all of it.

An interrupt (or SIGTERM) ends it in order: nobody is let in any more, initiators are asked to log out and have --grace
to do so. A second one ends it at once.

Exit status: 0 it has ended as it was told, 2 usage or configuration, an address that cannot be listened on among them,
3 the recording could not be written, 130 a second interrupt.`,
		Example: `  iscsispec serve plain --listen 127.0.0.1:3260
  iscsispec serve plain@127.0.0.1:3260 single-session@[::1]:3261 --status 127.0.0.1:8080
  iscsispec serve plain --lun 0=memory,size=1GiB --lun 1=file,path=disk.img,size=20GiB --lun 2=null,size=1TiB,block_size=4096
  ISCSISPEC_CHAP_PASSWORD=... iscsispec serve plain --chap-user host1 --record out/ --for 10m`,
		ValidArgsFunction: completeArrays,
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.list {
				return listProfiles(cmd.OutOrStdout())
			}
			config, err := o.configure(cmd, append(args, o.profiles...))
			if err != nil {
				return err
			}
			return o.serve(cmd, config)
		},
	}
	o.addFlags(cmd)
	return cmd
}

func (o *serveOptions) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVar(&o.profiles, "profile", nil, "another array, PROFILE[@HOST:PORT]; repeatable")
	f.StringVar(&o.listen, "listen", server.DefaultListen, "address of the first portal, for an array that names none; IPv6 in brackets")
	f.StringVar(&o.config, "config", "", "YAML file that says which arrays, and how")
	f.StringArrayVar(&o.luns, "lun", nil,
		"a logical unit in place of the profile's: NUMBER=memory|file|null,size=SIZE[,path=FILE][,block_size=N][,read_only]...; repeatable")
	o.chap.addFlags(cmd)
	f.StringVar(&o.status, "status", "", "loopback address of a status page and of the control requests, such as 127.0.0.1:0")
	f.StringVar(&o.record, "record", "", "folder for captures (pcapng) and traces of what initiators do")
	f.StringVar(&o.recordLimit, "record-limit", "2GiB", "most that one recording keeps; its oldest part goes when another is begun")
	f.BoolVar(&o.realPorts, "record-real-ports", false, "show portals at their own ports in captures instead of 3260, by which dissectors know iSCSI")
	f.DurationVar(&o.grace, "grace", server.DefaultGrace, "time that initiators have to log out at the end; 0 cuts them off at once")
	f.DurationVar(&o.lifetime, "for", 0, "end in order after this time; 0 never")
	f.BoolVar(&o.json, "json", false, "print JSON, one object a line")
	f.BoolVar(&o.list, "list", false, "list the profiles")
	cmd.MarkFlagsMutuallyExclusive("config", "profile")
	cmd.MarkFlagsMutuallyExclusive("config", "listen")
	cmd.MarkFlagsMutuallyExclusive("config", "lun")
	cmd.MarkFlagsMutuallyExclusive("config", "chap-user")
}

// configure makes a configuration of a file or of flags. Flags about the whole server win over the file.
func (o *serveOptions) configure(cmd *cobra.Command, profiles []string) (*server.Config, error) {
	changed := cmd.Flags().Changed
	if o.grace < 0 || o.lifetime < 0 {
		return nil, usageError("--grace and --for: want 0 or more")
	}
	config, err := o.arrays(profiles)
	if err != nil {
		return nil, err
	}
	if o.config == "" || changed("grace") {
		config.Grace = o.grace
	}
	if changed("status") {
		config.Status = o.status
	}
	if changed("record") {
		config.Record.Dir = o.record
	}
	if o.config == "" || changed("record-limit") {
		limit, err := parseBytes(o.recordLimit)
		if err != nil || limit < reports.RecordingLimitMin {
			return nil, usageError("--record-limit %q: want %d bytes or more, such as 512MiB", o.recordLimit, reports.RecordingLimitMin)
		}
		config.Record.Limit = simtarget.Size(limit)
	}
	if changed("record-real-ports") {
		config.Record.RealPorts = o.realPorts
	}
	return config, nil
}

func (o *serveOptions) arrays(profiles []string) (*server.Config, error) {
	if o.config != "" {
		if len(profiles) > 0 {
			return nil, usageError("--config and a PROFILE exclude each other")
		}
		config, err := server.LoadConfig(o.config)
		return config, profileHelp(err)
	}
	if len(profiles) == 0 {
		return nil, usageError("serve: want a PROFILE (iscsispec serve --list shows them) or --config FILE")
	}
	luns, err := parseLUNs(o.luns)
	if err != nil {
		return nil, err
	}
	chap, err := o.chap.config()
	if err != nil {
		return nil, err
	}
	if len(luns) > 0 && len(profiles) > 1 {
		return nil, usageError("--lun: which of the %d arrays? --config can say it", len(profiles))
	}
	config, unplaced := &server.Config{}, 0
	for _, text := range profiles {
		name, address := splitProfile(text)
		if address == "" {
			address = o.listen
			unplaced++
		}
		config.Arrays = append(config.Arrays, server.ArrayConfig{Profile: name, Listen: address, LUNs: luns, CHAP: chap})
	}
	if unplaced > 1 && !strings.HasSuffix(o.listen, ":0") {
		return nil, usageError("--listen %s: %d arrays cannot share a port; give each its own address, PROFILE@HOST:PORT", o.listen, unplaced)
	}
	_, err = config.Specs()
	return config, profileHelp(err)
}

// splitProfile takes "PROFILE@HOST:PORT" apart; what is behind the last @ is an address when it has a port.
func splitProfile(text string) (name, address string) {
	at := strings.LastIndexByte(text, '@')
	if at < 0 || !strings.Contains(text[at:], ":") {
		return text, ""
	}
	return text[:at], text[at+1:]
}

// profileHelp classes an error of a configuration, and names the profiles that an unknown name is near to.
func profileHelp(err error) error {
	var unknown *profiles.UnknownError
	var config *server.ConfigError
	if errors.As(err, &unknown) && errors.As(err, &config) {
		config.Reason = fmt.Sprintf("unknown profile %q; nearest: %s (iscsispec serve --list shows all)", unknown.Name,
			strings.Join(scenarios.Nearest(unknown.Name, unknown.Known, 3), ", "))
	}
	if err != nil {
		return usageError("%w", err)
	}
	return nil
}

// serve runs the arrays until ctx ends, which is how it is meant to end.
func (o *serveOptions) serve(cmd *cobra.Command, config *server.Config) (err error) {
	economise()
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	voice := &serveVoice{out: cmd.OutOrStdout(), errOut: cmd.ErrOrStderr(), json: o.json}
	options := server.Options{}
	recording, err := startRecording(config, &options, voice)
	if err != nil {
		return err
	}
	defer func() {
		if closed := closeRecording(recording); err == nil {
			err = closed
		}
	}()
	s, err := server.New(config, options)
	if err != nil {
		return profileHelp(err)
	}
	if err := s.Start(); err != nil {
		return usageError("%w", err)
	}
	if config.Status != "" {
		if err := s.ServeStatus(config.Status); err != nil {
			return usageError("%w", errors.Join(err, s.Close()))
		}
	}
	if err := voice.ready(s, recording); err != nil {
		return errors.Join(err, s.Close())
	}
	told := await(cmd.Context(), o.lifetime)
	return endServing(s, config.Grace, signals, told, voice)
}

// await waits for an interrupt, or for a lifetime that is not 0 to be over, and tells how many signals have brought the end about.
func await(ctx context.Context, lifetime time.Duration) int {
	var over <-chan time.Time
	if lifetime > 0 {
		timer := time.NewTimer(lifetime)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-ctx.Done():
		return 1
	case <-over:
		return 0
	}
}

// endServing ends the server in order, or at once when one more signal comes than those that have brought the end about.
func endServing(s *server.Server, grace time.Duration, signals <-chan os.Signal, told int, voice *serveVoice) error {
	voice.stopping(grace)
	cut := 0
	hurried, err := endInOrder(signals, told, func(ctx context.Context) (err error) {
		cut, err = s.Shutdown(ctx, grace)
		return err
	})
	voice.stopped(cut)
	if err != nil {
		return &statusError{exitDefect, fmt.Errorf("closing the arrays: %w", err)}
	}
	if hurried {
		return leave(exitInterrupted)
	}
	return nil
}

// endInOrder runs an end in order, and ends its context when one more signal comes than those that have brought the end about.
func endInOrder(signals <-chan os.Signal, told int, end func(context.Context) error) (hurried bool, err error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	hurry := make(chan bool, 1)
	go func() {
		for seen := 0; ; {
			select {
			case <-signals:
				if seen++; seen > told {
					hurry <- true
					cancel()
					return
				}
			case <-ctx.Done():
				hurry <- false
				return
			}
		}
	}()
	err = end(ctx)
	cancel()
	return <-hurry, err
}

// startRecording opens the recording where one is wanted.
func startRecording(config *server.Config, options *server.Options, voice *serveVoice) (*reports.Recording, error) {
	if config.Record.Dir == "" {
		return nil, nil
	}
	r, err := reports.OpenRecording(reports.RecordingOptions{
		Dir: config.Record.Dir, Limit: int64(config.Record.Limit), RealPorts: config.Record.RealPorts, Notify: voice.notice,
	})
	if err != nil {
		return nil, usageError("--record: %w", err)
	}
	options.Log = r.Log()
	options.Recording = func() server.Recording {
		status := r.Status()
		told := server.Recording{Dir: status.Dir, Part: status.Part, Bytes: status.Bytes, Events: status.Events, DroppedParts: status.Dropped}
		if status.Err != nil {
			told.Error = status.Err.Error()
		}
		return told
	}
	return r, nil
}

func closeRecording(r *reports.Recording) error {
	if r == nil {
		return nil
	}
	if err := r.Close(); err != nil {
		return unreachable("the recording is not whole: %w", err)
	}
	return nil
}
