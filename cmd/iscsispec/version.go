package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/iscsispec/iscsispec/scenarios"
)

// build reads what the linker left about this binary.
func build() scenarios.Build {
	b := scenarios.Build{Name: "iscsispec", Version: "devel", Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		b.Version = v
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

func (p *program) versionCommand() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Say what this binary was built from",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			b := build()
			catalogue := scenarios.LoadCatalogue()
			if asJSON {
				encoder := json.NewEncoder(cmd.OutOrStdout())
				encoder.SetIndent("", "  ")
				return encoder.Encode(struct {
					scenarios.Build
					Catalogue string `json:"catalogue"`
					Rows      int    `json:"rows"`
					Schema    int    `json:"schema"`
				}{b, catalogue.Hash(), len(catalogue.Rows()), scenarios.Schema})
			}
			commit := ""
			if b.Commit != "" {
				commit = " " + b.Commit[:min(12, len(b.Commit))]
				if b.Modified {
					commit += "+changes"
				}
			}
			fmt.Fprintf(cmd.OutOrStdout(), "iscsispec %s%s, %s, catalogue %s of %d rows, records schema %d\n",
				b.Version, commit, b.Go, catalogue.Hash(), len(catalogue.Rows()), scenarios.Schema)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
