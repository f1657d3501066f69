package reports

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/iscsispec/iscsispec/scenarios"
)

// FileRecords is the name of the records in a run's folder.
const FileRecords = "records.jsonl"

// ErrRecords is what every complaint about records that cannot be read wraps.
var ErrRecords = errors.New("bad records")

// Load reads a run back from its folder, or from its records alone, and returns the folder, where captures stand. With lean, what only
// ladders and captures need is dropped: the traces, and the evidence of findings.
func Load(path string, lean bool) (run Run, folder string, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return run, "", fmt.Errorf("%w: %w", ErrRecords, err)
	}
	file, folder := path, filepath.Dir(path)
	if info.IsDir() {
		file, folder = filepath.Join(path, FileRecords), path
	}
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return run, "", fmt.Errorf("%w: %s holds no %s: want the folder of a run, or its records", ErrRecords, path, FileRecords)
	}
	if err != nil {
		return run, "", fmt.Errorf("%w: %w", ErrRecords, err)
	}
	defer f.Close()
	run.Header, err = scenarios.EachRecord(f, func(r *scenarios.Result) error {
		if lean {
			r.Trace = nil
			for _, findings := range [][]scenarios.Finding{r.Findings, r.Noticed} {
				for i := range findings {
					findings[i].Evidence = nil
				}
			}
		}
		run.Results = append(run.Results, r)
		return nil
	})
	if err != nil {
		return run, "", fmt.Errorf("%w: %s: %w", ErrRecords, file, err)
	}
	return run, folder, nil
}

// Clear makes a run's folder where there is none, and takes away what an earlier run left there: captures and what was drawn. Only what this
// tool itself writes is taken away, for the folder may hold other things.
func Clear(folder string) error {
	captures := filepath.Join(folder, FolderCaptures)
	if err := os.MkdirAll(captures, 0o755); err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(captures, "*.pcapng"))
	if err != nil {
		return err
	}
	for _, report := range []string{FileHTML, FileCoverage, FileJUnit, FileJSON} {
		old = append(old, filepath.Join(folder, report))
	}
	for _, name := range old {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
