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

	"github.com/iscsispec/iscsispec/faults"
	"github.com/iscsispec/iscsispec/faults/proxy"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/reports"
	"github.com/iscsispec/iscsispec/trace"
)

// proxyOptions are the flags of proxy.
type proxyOptions struct {
	listen      string
	to          []string
	faults      []string
	seed        uint64
	status      string
	record      string
	recordLimit string
	realPorts   bool
	lifetime    time.Duration
	dialTimeout time.Duration
	refuse      string
	json        bool
}

func (p *program) proxyCommand() *cobra.Command {
	o := &proxyOptions{}
	cmd := &cobra.Command{
		Use:   "proxy --to HOST[:PORT][@LISTEN]",
		Short: "Put the fault injector in front of an array, or of an initiator",
		Long: `proxy stands in front of the portals that --to names and carries faults to what passes, until it is interrupted. The
first lines on stdout are the URLs of its own portals, in the order of --to; nothing else is printed there. Portals that the array
announces, in answers to SendTargets and in redirections, get listeners of their own, so that initiators stay behind it.

--fault is a fault in its text form, or @FILE with one a line: at an instant from the start, at a PDU, or repeatedly.
"iscsispec proxy --faults" lists the verbs; docs/proxy.md says more.

An interrupt (or SIGTERM) ends it in order: what has come still reaches the other end, then both see the end of the stream. A
second one ends it at once. At its end it tells how often each fault has fired.

Exit status: 0 every fault has fired, 2 usage or configuration, an address that cannot be listened on among them, 3 the
recording could not be written, 4 a fault has never fired, so that nothing was shown about it, 130 a second interrupt.`,
		Example: `  iscsispec proxy --to 192.0.2.10                                    # relays, and changes nothing but addresses
  iscsispec proxy --to 192.0.2.10 --fault reset:pdu=login-response,nth=3,byte=20
  iscsispec proxy --to 192.0.2.10 --fault reset:at=12s --fault refuse:at=12s,for=60s --record out/
  iscsispec proxy --to 192.0.2.10 --to '[2001:db8::10]:3260@[::1]:3261' --fault @cuts.txt --seed 7
  iscsispec proxy --to 192.0.2.10 --status 127.0.0.1:8080 &
  curl -H 'Content-Type: application/json' -d '{"actions": [{"inject": "silence:dir=to-initiator,at=0s"}]}' http://127.0.0.1:8080/control`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if list, _ := cmd.Flags().GetBool("faults"); list { // the flag is there
				return listFaults(cmd.OutOrStdout())
			}
			options, plan, err := o.configure()
			if err != nil {
				return err
			}
			return o.run(cmd, options, plan)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.listen, "listen", proxy.DefaultListen, "address of the first portal; the others follow at the ports behind it, or at free ones")
	f.StringArrayVar(&o.to, "to", nil, "a portal of the array, HOST[:PORT], and where to stand for it, @HOST:PORT; repeatable")
	f.StringArrayVar(&o.faults, "fault", nil, "a fault, or @FILE with one a line; repeatable")
	f.Uint64Var(&o.seed, "seed", 0, "what chance and jitter draw from")
	f.StringVar(&o.status, "status", "", "loopback address of the status and of the control requests, such as 127.0.0.1:0")
	f.StringVar(&o.record, "record", "", "folder for captures (pcapng) and traces of what passes, at both ends")
	f.StringVar(&o.recordLimit, "record-limit", "2GiB", "most that one recording keeps; its oldest part goes when another is begun")
	f.BoolVar(&o.realPorts, "record-real-ports", false, "show portals at their own ports in captures instead of 3260, by which dissectors know iSCSI")
	f.DurationVar(&o.lifetime, "for", 0, "end in order after this time; 0 never")
	f.DurationVar(&o.dialTimeout, "dial-timeout", proxy.DefaultDialTimeout, "how long the array has to answer a connection")
	f.StringVar(&o.refuse, "refuse", "closed", "how connections are refused: closed (nobody listens, nobody counts) or reset (accepted, counted, reset)")
	f.BoolVar(&o.json, "json", false, "print JSON, one object a line")
	f.Bool("faults", false, "list the verbs and names of faults")
	return cmd
}

// configure makes options and a plan of flags.
func (o *proxyOptions) configure() (proxy.Options, faults.Plan, error) {
	options := proxy.Options{Listen: o.listen, Seed: o.seed, DialTimeout: o.dialTimeout, RefuseByReset: o.refuse == "reset"}
	switch {
	case len(o.to) == 0:
		return options, nil, usageError("proxy: want --to HOST[:PORT], the array to stand in front of")
	case o.lifetime < 0 || o.dialTimeout <= 0:
		return options, nil, usageError("--for: want 0 or more; --dial-timeout: want more than 0")
	case o.refuse != "closed" && o.refuse != "reset":
		return options, nil, usageError("--refuse %q: want closed or reset", o.refuse)
	}
	for _, text := range o.to {
		to, err := parseTo(text)
		if err != nil {
			return options, nil, usageError("--to %s: %w", text, err)
		}
		options.To = append(options.To, to)
	}
	var plan faults.Plan
	for _, text := range o.faults {
		more, err := parseFaults(text)
		if err != nil {
			return options, nil, usageError("--fault %s: %w", text, err)
		}
		plan = append(plan, more...)
	}
	return options, plan, nil
}

// parseTo reads HOST[:PORT][@LISTEN]. A URL does as well as an address; what is behind its portal is passed over.
func parseTo(text string) (proxy.To, error) {
	array, listen, _ := strings.Cut(text, "@")
	array, _, _ = strings.Cut(strings.TrimPrefix(array, "iscsi://"), "/")
	address, err := iscsi.ParseAddress(array)
	return proxy.To{Array: address, Listen: listen}, err
}

// parseFaults reads a fault, or a file of them.
func parseFaults(text string) (faults.Plan, error) {
	name, isFile := strings.CutPrefix(text, "@")
	if isFile {
		content, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		text = string(content)
	}
	plan, err := faults.ParsePlan(text)
	if err == nil && len(plan) == 0 && !isFile {
		err = errors.New("want a fault, such as reset:at=12s")
	}
	return plan, err
}

// run stands in front of the array until the verb is told to end.
func (o *proxyOptions) run(cmd *cobra.Command, options proxy.Options, plan faults.Plan) (err error) {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	voice := &proxyVoice{serveVoice{out: cmd.OutOrStdout(), errOut: cmd.ErrOrStderr(), json: o.json}}
	options.Notify = voice.notice
	recording, err := o.startRecording(voice)
	if err != nil {
		return err
	}
	defer func() {
		if closed := closeRecording(recording); closed != nil && (err == nil || statusOf(err) == exitInconclusive) {
			err = closed
		}
	}()
	if recording != nil {
		options.Log = recording.Log()
	}
	p, err := proxy.New(options)
	if err != nil {
		return usageError("%w", err)
	}
	if o.status != "" {
		if err := p.ServeStatus(o.status); err != nil {
			return usageError("%w", errors.Join(err, p.Close()))
		}
	}
	if err := p.Run(plan); err != nil {
		return usageError("%w", errors.Join(err, p.Close()))
	}
	if err := voice.ready(p, recording); err != nil {
		return errors.Join(err, p.Close())
	}
	told := await(cmd.Context(), o.lifetime)
	return o.end(p, signals, told, voice)
}

// end ends the proxy and weighs what has fired.
func (o *proxyOptions) end(p *proxy.Proxy, signals <-chan os.Signal, told int, voice *proxyVoice) error {
	voice.stopping()
	counters := p.Status().Counters
	hurried, err := endInOrder(signals, told, func(ctx context.Context) error { return p.Shutdown(ctx) })
	unfired := voice.stopped(p.Counts(), counters)
	switch {
	case err != nil:
		return &statusError{exitDefect, fmt.Errorf("closing the proxy: %w", err)}
	case hurried:
		return leave(exitInterrupted)
	case unfired > 0:
		return leave(exitInconclusive)
	}
	return nil
}

// startRecording opens the recording where one is wanted.
func (o *proxyOptions) startRecording(voice *proxyVoice) (*reports.Recording, error) {
	if o.record == "" {
		return nil, nil
	}
	limit, err := parseBytes(o.recordLimit)
	if err != nil || limit < reports.RecordingLimitMin {
		return nil, usageError("--record-limit %q: want %d bytes or more, such as 512MiB", o.recordLimit, reports.RecordingLimitMin)
	}
	r, err := reports.OpenRecording(reports.RecordingOptions{
		Dir: o.record, Limit: limit, RealPorts: o.realPorts, Application: "iscsispec proxy", Notify: voice.notice,
	})
	if err != nil {
		return nil, usageError("--record: %w", err)
	}
	r.Log().Record(trace.Event{Kind: trace.KindNote, Node: proxy.Node, Reason: "seed and plan", Attrs: o.attrs()})
	return r, nil
}

// attrs are what it takes to do it again.
func (o *proxyOptions) attrs() []trace.Attr {
	attrs := []trace.Attr{trace.A("seed", o.seed)}
	for _, to := range o.to {
		attrs = append(attrs, trace.A("to", to))
	}
	for _, f := range o.faults {
		attrs = append(attrs, trace.A("fault", f))
	}
	return attrs
}
