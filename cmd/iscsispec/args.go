package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// one takes exactly one argument, and says what is missing by the name that the usage line gives it.
func one(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return fmt.Errorf("%s: expected one %s, got %d arguments; usage: %s", cmd.Name(), name, len(args), cmd.UseLine())
		}
		return nil
	}
}
