package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// The scripts run this test binary again under the program's name, so that they see it as a shell does: arguments in,
// lines and an exit status out.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"iscsispec": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"status":      statusCommand,
			"garbage":     garbageCommand,
			"closed":      closedCommand,
			"serve":       serveCommand,
			"proxied":     proxiedCommand,
			"interrupt":   interruptCommand,
			"sameresults": sameResultsCommand,
			"withsecret":  withSecretCommand,
			"nowhere":     nowhereCommand,
		},
	})
}
