package peers

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/iscsispec/iscsispec/simtarget"
)

// serve puts a simulated array on loopback ports and returns the URLs of its logical units.
func serve(t *testing.T, text string) []string {
	t.Helper()
	profile, err := simtarget.ParseProfile("three-disks", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var urls []string
	for _, u := range serving(t, profile).URLs() {
		urls = append(urls, u.String())
	}
	return urls
}

// shipped serves an array of a shipped profile.
func shipped(t *testing.T, name string) (*simtarget.Array, *simtarget.Profile) {
	t.Helper()
	profile, err := simtarget.Builtin(name)
	if err != nil {
		t.Fatal(err)
	}
	return serving(t, profile), profile
}

// serving puts a simulated array on loopback ports until the test ends.
func serving(t *testing.T, profile *simtarget.Profile) *simtarget.Array {
	t.Helper()
	array, err := simtarget.New(profile, simtarget.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := array.Start(simtarget.ListenLoopback); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := array.Close(); err != nil {
			t.Error(err)
		}
	})
	return array
}

const threeDisks = `
name: three-disks
description: One portal, one target with three disks.
portals:
  - {name: A, address: "10.0.0.1:3260", tag: 1}
targets:
  - name: iqn.2026-01.io.iscsispec:three-disks
    luns:
      - {number: 0, size: 64MiB}
      - {number: 5, size: 8MiB}
      - {number: 300, size: 16MiB}
`

func TestLibiscsiSpeaksToASimulatedArray(t *testing.T) {
	Need(t, "iscsi-ls", "iscsi-inq", "iscsi-readcapacity16", "iscsi-perf")
	urls := serve(t, threeDisks)
	portal := urls[0][:strings.Index(urls[0], "/iqn.")]
	holds := func(what, output string, err error, wants ...string) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		for _, want := range wants {
			if !strings.Contains(output, want) {
				t.Errorf("%s does not tell %q:\n%s", what, want, output)
			}
		}
	}
	output, err := List(t.Context(), portal) // libiscsi tells LUN 300 by the 16 bits of its flat form, 412Ch
	holds("iscsi-ls -s", output, err, "iqn.2026-01.io.iscsispec:three-disks", "Lun:0 ", "Lun:5 ", "Lun:16684 ", "Type:DIRECT_ACCESS", "Size:63M")
	output, err = Inquiry(t.Context(), urls[1])
	holds("iscsi-inq", output, err, "Qualifier:CONNECTED", "Type:DIRECT_ACCESS", "Version:6", "SPC-4", "SBC-3")
	for page, want := range map[byte]string{0x00: "0x83", 0x80: "Serial", 0x83: "NAA", 0xb0: "maximum transfer length:65536", 0xb1: "Medium Rotation Rate:1RPM", 0xb2: "lbpu:1"} {
		output, err = InquiryVPD(t.Context(), urls[0], page)
		holds(fmt.Sprintf("page %02x", page), output, err, want)
	}
	output, err = ReadCapacity16(t.Context(), urls[1])
	holds("iscsi-readcapacity16", output, err, "RETURNED LOGICAL BLOCK ADDRESS:16383", "LENGTH IN BYTES:512", "Total size:8388608")
	output, err = Perf(t.Context(), urls[0], 1, 8, 32)
	holds("iscsi-perf", output, err, "iops")
}

func TestQemuImgCopiesToAndFromASimulatedArray(t *testing.T) {
	Need(t, "qemu-img")
	urls := serve(t, threeDisks)
	dir := t.TempDir()
	here, back := filepath.Join(dir, "here"), filepath.Join(dir, "back")
	data := make([]byte, 8<<20)
	for i := range data {
		data[i] = byte(i * 7 >> 9)
	}
	if err := os.WriteFile(here, data, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"info", "-f", "raw", urls[1]},
		{"convert", "-n", "-f", "raw", "-O", "raw", here, urls[1]},
		{"compare", "-f", "raw", "-F", "raw", here, urls[1]},
		{"convert", "-f", "raw", "-O", "raw", urls[1], back},
		{"compare", "-f", "raw", "-F", "raw", here, back},
	} {
		if output, err := QemuImg(t.Context(), args...); err != nil {
			t.Fatalf("%v\n%s", err, output)
		}
	}
}
