package peers

import (
	"os"
	"testing"

	"github.com/iscsispec/iscsispec/cmd/iscsispec/gotgt"
	"github.com/iscsispec/iscsispec/internal/leaks"
)

// TestMain makes the test program the gotgt child when gotgt.Start runs it.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == gotgt.Verb {
		os.Exit(gotgt.Main(os.Args[2:]))
	}
	leaks.Main(m)
}
