package peers

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// List runs iscsi-ls against a portal, iscsi://host:port, with the logical units of each target.
func List(ctx context.Context, portal string) (string, error) {
	return Run(ctx, "iscsi-ls", "-s", portal)
}

// Inquiry runs iscsi-inq for the standard INQUIRY data of a logical unit's URL.
func Inquiry(ctx context.Context, url string) (string, error) { return Run(ctx, "iscsi-inq", url) }

// InquiryVPD runs iscsi-inq for a vital product data page.
func InquiryVPD(ctx context.Context, url string, page byte) (string, error) {
	return Run(ctx, "iscsi-inq", "-e", "1", "-c", strconv.Itoa(int(page)), url)
}

// ReadCapacity16 runs iscsi-readcapacity16.
func ReadCapacity16(ctx context.Context, url string) (string, error) {
	return Run(ctx, "iscsi-readcapacity16", url)
}

// Perf runs iscsi-perf for so many seconds of reads, with blocks a request and requests at once.
func Perf(ctx context.Context, url string, seconds, blocks, requests int) (string, error) {
	return Run(ctx, "iscsi-perf", "-t", fmt.Sprint(seconds), "-b", fmt.Sprint(blocks), "-m", fmt.Sprint(requests), url)
}

// TestCU runs libiscsi's own conformance tests, those that match a name such as "ALL.Read10.*" (or ALL), with leave to write on the unit, and
// with sanitize to wipe it. The tests that want two paths skip unless two URLs lead to the unit.
func TestCU(ctx context.Context, tests string, sanitize bool, urls ...string) (string, error) {
	args := []string{"--dataloss", "--test=" + tests}
	if sanitize {
		args = append(args, "--allow-sanitize")
	}
	return Run(ctx, "iscsi-test-cu", append(args, urls...)...)
}

// TestCUList lists the tests of iscsi-test-cu, each as suite and test.
func TestCUList(ctx context.Context) ([]string, error) {
	output, err := Run(ctx, "iscsi-test-cu", "--list")
	var tests []string
	for _, line := range strings.Fields(output) {
		if name, all := strings.CutPrefix(line, "ALL."); all && strings.Contains(name, ".") {
			tests = append(tests, name)
		}
	}
	return tests, err
}

// Swp runs iscsi-swp, which reads, sets ("on") or clears ("off") the software write protection of a unit; "" only reads.
func Swp(ctx context.Context, url, protect string) (string, error) {
	if protect == "" {
		return Run(ctx, "iscsi-swp", url)
	}
	return Run(ctx, "iscsi-swp", "--swp="+protect, url)
}

// QemuImg runs qemu-img.
func QemuImg(ctx context.Context, args ...string) (string, error) {
	return Run(ctx, "qemu-img", args...)
}
