package peers

import (
	"context"
	"fmt"
	"strconv"
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

// TestCU runs libiscsi's own conformance tests, those that match a name such as "SCSI.Read10.*" (or ALL), with leave to write on the unit.
func TestCU(ctx context.Context, url, tests string) (string, error) {
	return Run(ctx, "iscsi-test-cu", "--dataloss", "--test="+tests, url)
}

// QemuImg runs qemu-img.
func QemuImg(ctx context.Context, args ...string) (string, error) {
	return Run(ctx, "qemu-img", args...)
}
