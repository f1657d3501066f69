package main

import (
	"github.com/spf13/cobra"

	"github.com/iscsispec/iscsispec/scenarios/initiator"
)

func (p *program) checkInitiatorCommand() *cobra.Command {
	options := &checkOptions{}
	cmd := &cobra.Command{
		Use:   "initiator",
		Short: "Check what an initiator puts on the wire, before a target that is played PDU by PDU",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			registry, err := p.registry()
			if err != nil {
				return err
			}
			return p.runChecks(cmd, options, registry, []string{initiator.Name})
		},
	}
	p.checkFlags(cmd, options)
	return cmd
}
