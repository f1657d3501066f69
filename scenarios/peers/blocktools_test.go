package peers

import (
	"bytes"
	"crypto/md5"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// blockDisk is a disk of 64 MiB, with settings of the logical unit behind it.
const blockDisk = `
name: block
description: One disk.
portals:
  - {name: A, address: "10.0.0.1:3260", tag: 1}
targets:
  - name: iqn.2026-01.io.iscsispec:block
    luns:
      - {number: 0, size: 64MiB, blank: true, SETTINGS}
`

// stores are the places where a disk keeps what is written to it, by name.
func stores(t *testing.T) map[string]string {
	return map[string]string{"memory": "store: memory", "file": "store: file, path: " + filepath.Join(t.TempDir(), "disk")}
}

// mustRun ends the test when a tool fails.
func mustRun(t *testing.T, output string, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return output
}

// qemu-img makes an image on a logical unit, copies a file there in two formats, and finds what it wrote.
func TestQEMUKeepsImagesOnASimulatedArray(t *testing.T) {
	Need(t, "qemu-img")
	data := make([]byte, 24<<20)
	for i := 0; i < len(data); i += 4096 {
		if i>>16%3 != 0 { // with holes between
			data[i], data[i+1], data[i+4095] = byte(i>>12), byte(i>>20), 0xa5
		}
	}
	image := filepath.Join(t.TempDir(), "image.raw")
	if err := os.WriteFile(image, data, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, settings := range stores(t) {
		t.Run(name, func(t *testing.T) {
			url := serve(t, strings.Replace(blockDisk, "SETTINGS", settings, 1))[0]
			qemu := func(args ...string) string {
				t.Helper()
				output, err := QemuImg(t.Context(), args...)
				return mustRun(t, output, err)
			}
			qemu("create", "-f", "qcow2", url, "24M")
			qemu("convert", "-n", "-f", "raw", "-O", "qcow2", image, url)
			qemu("check", "-f", "qcow2", url)
			if output := qemu("compare", "-f", "raw", "-F", "qcow2", image, url); !strings.Contains(output, "identical") {
				t.Errorf("qcow2: %s", output)
			}
			qemu("convert", "-n", "-f", "raw", "-O", "raw", image, url)
			if output := qemu("compare", "-f", "raw", "-F", "raw", image, url); !strings.Contains(output, "identical") {
				t.Errorf("raw: %s", output)
			}
			back := filepath.Join(t.TempDir(), "back.raw")
			qemu("convert", "-f", "raw", "-O", "raw", url, back)
			got, err := os.ReadFile(back)
			if err != nil || !bytes.HasPrefix(got, data) {
				t.Errorf("what is read back is not what was written: %v", err)
			}
		})
	}
}

// The tools of libiscsi-bin that look at a unit, protect it and load it.
func TestLibiscsisToolsOnASimulatedDisk(t *testing.T) {
	Need(t, "iscsi-swp", "iscsi-readcapacity16", "iscsi-perf", "iscsi-inq")
	for name, settings := range stores(t) {
		t.Run(name, func(t *testing.T) {
			url := serve(t, strings.Replace(blockDisk, "SETTINGS", settings, 1))[0]
			for _, step := range []struct{ set, want string }{{"", "SWP:0"}, {"on", ""}, {"", "SWP:1"}, {"off", ""}, {"", "SWP:0"}} {
				output, err := Swp(t.Context(), url, step.set)
				if mustRun(t, output, err); !strings.Contains(output, step.want) {
					t.Errorf("iscsi-swp %s tells %q, want %q", step.set, output, step.want)
				}
			}
			output, err := ReadCapacity16(t.Context(), url)
			if mustRun(t, output, err); !strings.Contains(output, "Total size:67108864") {
				t.Errorf("iscsi-readcapacity16 tells %q", output)
			}
			if _, err := Find("iscsi-md5sum"); err == nil { // libiscsi 1.20 and later
				output, err = Run(t.Context(), "iscsi-md5sum", url)
				if sum := fmt.Sprintf("%x", md5.Sum(make([]byte, 64<<20))); !strings.Contains(mustRun(t, output, err), sum) {
					t.Errorf("iscsi-md5sum tells %q, want %s", output, sum)
				}
			}
			output, err = Perf(t.Context(), url, 1, 8, 32)
			if mustRun(t, output, err); !strings.Contains(output, "iops") {
				t.Errorf("iscsi-perf tells %q", output)
			}
		})
	}
}
