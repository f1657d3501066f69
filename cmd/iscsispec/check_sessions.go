package main

import "github.com/spf13/cobra"

func (p *program) checkSessionsCommand() *cobra.Command {
	options := &checkOptions{}
	cmd := &cobra.Command{
		Use:   "sessions",
		Short: "Judge a session manager while links are cut: reconnect, session IDs, device removal, clones, redirects",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			registry, err := p.registry()
			if err != nil {
				return err
			}
			return p.runChecks(cmd, options, registry, []string{"sessions"})
		},
	}
	p.checkFlags(cmd, options)
	return cmd
}
