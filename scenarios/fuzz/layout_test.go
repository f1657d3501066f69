package fuzz

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// TestFuzzingServicesFindTheirTargets holds .clusterfuzzlite/build.sh to what is here. compile_native_go_fuzzer looks for a function by its name
// in all files below the package's folder, and wants exactly one.
func TestFuzzingServicesFindTheirTargets(t *testing.T) {
	root := filepath.Join("..", "..")
	script, err := os.ReadFile(filepath.Join(root, ".clusterfuzzlite", "build.sh"))
	if err != nil {
		t.Fatal(err)
	}
	calls := regexp.MustCompile(`(?m)^fuzzer (\S+) (\S+) (\S+)$`).FindAllSubmatch(script, -1)
	if len(calls) != 2 {
		t.Fatalf("build.sh builds %d fuzzers, want 2", len(calls))
	}
	for _, call := range calls {
		folder, function := filepath.Join(root, string(call[1])), call[2]
		var found []string
		if err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := os.ReadFile(path)
			if bytes.Contains(b, function) {
				found = append(found, path)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if len(found) != 1 {
			t.Errorf("%s stands in %q, want one file", function, found)
			continue
		}
		source, err := os.ReadFile(found[0])
		if err != nil || !bytes.Contains(source, append([]byte("\nfunc "), append(function, "(f *testing.F)"...)...)) {
			t.Errorf("%s has no func %s(f *testing.F): %v", found[0], function, err)
		}
		seeds, err := filepath.Glob(filepath.Join(folder, "testdata", "seeds", "*"))
		if err != nil || len(seeds) == 0 {
			t.Errorf("%s has no seeds: %v", folder, err)
		}
	}
	for _, name := range []string{"Dockerfile", "project.yaml"} {
		if _, err := os.Stat(filepath.Join(root, ".clusterfuzzlite", name)); err != nil {
			t.Error(err)
		}
	}
}

// TestLentOutsideOfATest runs this test's program again without the testing package's own beginning, as a fuzzing service does.
func TestLentOutsideOfATest(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	out, err := program(t, exe)
	if err != nil || !bytes.Contains(out, []byte("lent and run")) {
		t.Errorf("%v: %s", err, out)
	}
}
