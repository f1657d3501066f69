package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/iscsispec/iscsispec/reports"
	"github.com/iscsispec/iscsispec/scenarios"
)

// folder is where a run leaves its records and reports.
type folder struct {
	path     string
	file     *os.File
	coverage scenarios.Coverage
	recorder *scenarios.Recorder
}

// fileSuggestion holds the entries that would make a baseline of the run's findings, but for their reasons.
const fileSuggestion = "baseline.suggested.yaml"

// openFolder makes the run's folder, takes away what an earlier run left there, and writes the records' first line.
func openFolder(path string, header scenarios.Header, coverage scenarios.Coverage) (*folder, error) {
	if err := reports.Clear(path); err != nil {
		return nil, fmt.Errorf("--out: %w", err)
	}
	if err := os.Remove(filepath.Join(path, fileSuggestion)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("--out: %w", err)
	}
	file, err := os.Create(filepath.Join(path, reports.FileRecords))
	if err != nil {
		return nil, fmt.Errorf("--out: %w", err)
	}
	recorder, err := scenarios.NewRecorder(file, header)
	if err != nil {
		file.Close()
		return nil, err
	}
	return &folder{path: path, file: file, coverage: coverage, recorder: recorder}, nil
}

// fileAbilities is what is known about a target on the network, for --abilities.
const fileAbilities = "abilities.yaml"

// keep writes what is known about the peer; an empty text takes away what an earlier run left.
func (f *folder) keep(known string) error {
	path := filepath.Join(f.path, fileAbilities)
	if known != "" {
		return os.WriteFile(path, []byte(known), 0o644)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("--out: %w", err)
	}
	return nil
}

// write adds one result: first its capture, whose path stands in the record, then the record.
func (f *folder) write(r *scenarios.Result) error {
	if r.Monitored == nil { // what monitors found stands in the capture of the check that shows it
		if err := reports.SaveCapture(f.path, r); err != nil {
			return err
		}
	}
	return f.recorder.Write(r)
}

// finish completes the records and draws the reports from them.
func (f *folder) finish(results []*scenarios.Result, wall time.Duration, interrupted bool) error {
	if err := f.recorder.Finish(wall, interrupted); err != nil {
		return err
	}
	if err := f.file.Close(); err != nil {
		return err
	}
	if err := reports.Write(f.path, reports.Run{Header: f.recorder.Header(), Results: results, Coverage: f.coverage}); err != nil {
		return err
	}
	suggestion := scenarios.SuggestBaseline(results)
	if suggestion == nil {
		return nil
	}
	return os.WriteFile(filepath.Join(f.path, fileSuggestion), suggestion, 0o644)
}

// abandon lets go of a folder that is not finished; of one that is, nothing is left to let go.
func (f *folder) abandon() { _ = f.file.Close() }
