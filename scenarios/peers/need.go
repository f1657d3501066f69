package peers

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// RequireVariable is the environment variable that, set to 1, makes the absence of a program a failure instead of a skip.
const RequireVariable = "ISCSISPEC_REQUIRE_PEERS"

// packages tells which Debian package brings a program.
var packages = map[string]string{
	"tgtd": "tgt", "tgtadm": "tgt", "iscsi-ls": "libiscsi-bin", "iscsi-inq": "libiscsi-bin", "iscsi-readcapacity16": "libiscsi-bin",
	"iscsi-perf": "libiscsi-bin", "iscsi-swp": "libiscsi-bin", "iscsi-test-cu": "libiscsi-bin", "qemu-img": "qemu-utils and qemu-block-extra", "tshark": "tshark",
}

// MissingError says that a program is not installed.
type MissingError struct{ Program string }

// Error names the program and the package that brings it.
func (e *MissingError) Error() string {
	if p := packages[e.Program]; p != "" {
		return fmt.Sprintf("%s is not installed (Debian: %s)", e.Program, p)
	}
	return e.Program + " is not installed"
}

// Find returns the path of a program. Directories for the administrator are looked through too, since a user's PATH often lacks them. The
// error is a *MissingError.
func Find(program string) (string, error) {
	if path, err := exec.LookPath(program); err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/local/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, program)); err == nil {
			return path, nil
		}
	}
	return "", &MissingError{Program: program}
}

// Need skips the test when one of the programs is missing, or fails it where RequireVariable is 1.
func Need(t testing.TB, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := Find(program); err != nil {
			if os.Getenv(RequireVariable) == "1" {
				t.Fatalf("%v, and %s is 1", err, RequireVariable)
			}
			t.Skip(err)
		}
	}
}
