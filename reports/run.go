// Package reports draws what people and their tools read from the records of a run: report.json, junit.xml, one self-contained index.html
// with ladders and timing plots, coverage.html with every normative statement of the RFCs, and one pcapng capture a check. It also reads runs
// back, merges shards and whole runs, and tells what became otherwise from one run to another.
//
// Everything is drawn from scenarios.Header and scenarios.Result, which are what records.jsonl holds; nothing here looks at a peer, and the
// same records give the same bytes.
//
// # First use
//
//	header, results, err := scenarios.ReadRecords(file) // records.jsonl of a run
//	err = reports.Write("out", reports.Run{Header: header, Results: results})
package reports

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/iscsispec/iscsispec/scenarios"
)

// The names of the files in a run's folder.
const (
	FileJSON       = "report.json"
	FileJUnit      = "junit.xml"
	FileHTML       = "index.html"
	FileCoverage   = "coverage.html"
	FolderCaptures = "captures"
)

// Run is what all reports are drawn from: the first line of the records, and the others.
type Run struct {
	Header  scenarios.Header
	Results []*scenarios.Result
	// Coverage is what the checks of the tool cover, whether this run had them or not. Where it is empty, no coverage page is drawn.
	Coverage scenarios.Coverage
}

// Write draws report.json, junit.xml, index.html and coverage.html into a folder that exists. Files that are there are replaced.
func Write(folder string, run Run) error {
	for _, f := range []struct {
		name string
		draw func(io.Writer, Run) error
	}{{FileJSON, WriteJSON}, {FileJUnit, WriteJUnit}, {FileHTML, WriteHTML}, {FileCoverage, WriteCoverage}} {
		if f.name == FileCoverage && run.Coverage.Total == 0 {
			continue
		}
		if err := save(filepath.Join(folder, f.name), func(w io.Writer) error { return f.draw(w, run) }); err != nil {
			return err
		}
	}
	return nil
}

// SaveCapture writes the capture of one result into the folder captures beneath folder, which it makes when it is not there, and notes its
// path in r.Capture. A trace in which no connection was tried leaves no file and an empty Capture. It draws from r.Whole where that is
// present, so it is best called as the result comes in, and before the result is written to the records.
func SaveCapture(folder string, r *scenarios.Result) error {
	events := r.Whole
	if len(events) == 0 {
		events = r.Trace
	}
	packets := packetsOf(events)
	r.Capture = ""
	if len(packets) == 0 {
		return nil
	}
	path := filepath.Join(FolderCaptures, r.ID+".pcapng")
	if err := os.MkdirAll(filepath.Join(folder, FolderCaptures), 0o755); err != nil {
		return fmt.Errorf("reports: %w", err)
	}
	if err := save(filepath.Join(folder, path), func(w io.Writer) error { return writeCapture(w, packets, captureTitle(r)) }); err != nil {
		return err
	}
	r.Capture = filepath.ToSlash(path)
	return nil
}

// save writes one file through a buffer and tells which one failed.
func save(path string, draw func(io.Writer) error) error {
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("reports: %w", err)
	}
	buffered := bufio.NewWriterSize(file, 64<<10)
	err = draw(buffered)
	if err == nil {
		err = buffered.Flush()
	}
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("reports: writing %s: %w", path, err)
	}
	return nil
}
