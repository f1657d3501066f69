package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/iscsispec/iscsispec/scenarios"
)

// selectionFlags adds --only and --skip with completion.
func (p *program) selectionFlags(cmd *cobra.Command, only, skip *[]string) {
	const forms = "ids with globs, groups, levels, tier1, rfc7143/11.13 or @FILE; comma separated, repeatable"
	cmd.Flags().StringArrayVar(only, "only", nil, "select "+forms)
	cmd.Flags().StringArrayVar(skip, "skip", nil, "leave out "+forms)
	for _, flag := range []string{"only", "skip"} {
		if err := cmd.RegisterFlagCompletionFunc(flag, p.completeChecks); err != nil {
			panic(err)
		}
	}
}

// completeChecks offers groups, levels and the ids of checks.
func (p *program) completeChecks(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	registry, err := p.registry()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var rows []*scenarios.Row
	for _, e := range registry.Entries() {
		rows = append(rows, e.Row)
	}
	return offer(rows, typed, append(registry.Catalogue().Groups(), "must", "must-not", "should", "may", "tier1", "tier2", "tier3"))
}

// completeRows offers the ids of the whole catalogue.
func (p *program) completeRows(_ *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return offer(scenarios.LoadCatalogue().Rows(), typed, nil)
}

func offer(rows []*scenarios.Row, typed string, words []string) ([]string, cobra.ShellCompDirective) {
	var offers []string
	for _, word := range words {
		if strings.HasPrefix(word, typed) {
			offers = append(offers, word)
		}
	}
	for _, r := range rows {
		if strings.HasPrefix(r.ID, typed) {
			offers = append(offers, r.ID+"\t"+r.Expects)
		}
	}
	return offers, cobra.ShellCompDirectiveNoFileComp
}
