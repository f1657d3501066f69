package main

import "github.com/spf13/cobra"

func (p *program) checkSessionsCommand() *cobra.Command {
	options := &checkOptions{}
	var plan string
	cmd := &cobra.Command{
		Use:   "sessions",
		Short: "Judge a session manager while links are cut: reconnect, session IDs, device removal, clones, redirects",
		Long: `check sessions runs the checks of the project's own session manager, each with its own plans.

--plan runs one plan instead, and judges what became of the data: whether an order of the requests explains all that was
read, and whether every request ended. It takes the plan itself, in one line, as failing tests print it behind --plan,
or the name of a file that holds one, or - for standard input. The same plan and --seed leave the same trace. The folder of --out
then holds plan.yaml, trace.jsonl, and history.html, which draws who read and wrote what and when.

  iscsispec check sessions --seed 3 --plan '{steps: [{label: s, do: login}, ...], faults: ["reset:at=3s"]}'
  iscsispec check sessions --seed 3 --plan out/plan.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("plan") {
				return p.checkPlan(cmd, options, plan)
			}
			registry, err := p.registry()
			if err != nil {
				return err
			}
			return p.runChecks(cmd, options, registry, []string{"sessions"})
		},
	}
	p.checkFlags(cmd, options)
	cmd.Flags().StringVar(&plan, "plan", "", "run this plan alone and judge its data: a plan in one line, its file, or -")
	return cmd
}
