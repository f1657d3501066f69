package main

import (
	"github.com/spf13/cobra"

	"github.com/iscsispec/iscsispec/scenarios"
)

// checkOptions are the flags that every check verb has.
type checkOptions struct {
	out        string
	only, skip []string
	seed       uint64
	shard      string
	baseline   string
	dryRun     bool
	allow      string
	strict     bool
	workers    int
	quiet      bool
	verbose    bool
	known      string // of the peer, for abilities.yaml; empty where nothing was learned
}

func (p *program) checkCommand() *cobra.Command {
	options := &checkOptions{}
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Run all suites on the embedded peers, in virtual time",
		Long: `check runs the suites: a full initiator against simulated arrays whose links are cut, the same initiator before a
target that is played PDU by PDU, and a simulated array against the rules of RFC 7143. Without a verb below it all peers
are embedded and time is virtual: 60 seconds of removal latency take microseconds.

It leaves records.jsonl (the truth; all else is drawn from it), report.json, junit.xml, index.html, coverage.html and
captures/ID.pcapng under --out.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			registry, err := p.registry()
			if err != nil {
				return err
			}
			return p.runChecks(cmd, options, registry, nil)
		},
	}
	p.checkFlags(cmd, options)
	cmd.AddCommand(p.checkSessionsCommand(), p.checkInitiatorCommand(), p.checkTargetCommand())
	return cmd
}

func (p *program) checkFlags(cmd *cobra.Command, o *checkOptions) {
	flags := cmd.Flags()
	flags.StringVar(&o.out, "out", "out", "folder for records and reports")
	p.selectionFlags(cmd, &o.only, &o.skip)
	flags.Uint64Var(&o.seed, "seed", 1, "seed of every random choice; the same seed gives the same records")
	flags.StringVar(&o.shard, "shard", "", "run part I of N parts, as I/N")
	flags.StringVar(&o.baseline, "baseline", "", "YAML file of known findings with reasons")
	flags.BoolVar(&o.dryRun, "dry-run", false, "say what would run and what would be skipped, and why")
	flags.StringVar(&o.allow, "allow", "safe", "what may be done to a foreign target: safe, writes or disruptive")
	flags.BoolVar(&o.strict, "strict", false, "count every warning as a failure")
	flags.IntVar(&o.workers, "workers", 0, "checks at once; 0 means one for each core")
	flags.BoolVar(&o.quiet, "quiet", false, "print only failures and the summary")
	flags.BoolVar(&o.verbose, "verbose", false, "say also which checks on the wall clock lasted longest, and what they waited for")
}

// allowed reads --allow.
func (o *checkOptions) allowed() (scenarios.Risk, error) {
	for _, r := range []scenarios.Risk{scenarios.Safe, scenarios.Writes, scenarios.Disruptive} {
		if o.allow == r.String() {
			return r, nil
		}
	}
	return scenarios.Safe, usageError("--allow %q: want safe, writes or disruptive", o.allow)
}

// selection reads --only, --skip and --shard.
func (o *checkOptions) selection() (scenarios.Selection, error) {
	s := scenarios.Selection{Only: o.only, Skip: o.skip}
	if o.shard == "" {
		return s, nil
	}
	var err error
	s.Shard, err = scenarios.ParseShard(o.shard)
	return s, err
}
