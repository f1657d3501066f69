package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/iscsispec/iscsispec/scenarios"
)

// folder is where a run leaves its records and reports.
type folder struct {
	path     string
	file     *os.File
	recorder *scenarios.Recorder
	header   scenarios.Header
}

// openFolder makes the run's folder, takes away what an earlier run left there, and writes the records' first line.
func openFolder(path string, header scenarios.Header) (*folder, error) {
	captures := filepath.Join(path, "captures")
	if err := os.MkdirAll(captures, 0o755); err != nil {
		return nil, fmt.Errorf("--out: %w", err)
	}
	// Only what this tool itself writes is taken away: the folder may hold other things.
	old, err := filepath.Glob(filepath.Join(captures, "*.pcapng"))
	if err != nil {
		return nil, fmt.Errorf("--out: %w", err)
	}
	for _, name := range append(old, filepath.Join(path, "index.html"), filepath.Join(path, "junit.xml"), filepath.Join(path, "report.json")) {
		if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("--out: %w", err)
		}
	}
	file, err := os.Create(filepath.Join(path, "records.jsonl"))
	if err != nil {
		return nil, fmt.Errorf("--out: %w", err)
	}
	recorder, err := scenarios.NewRecorder(file, header)
	if err != nil {
		file.Close()
		return nil, err
	}
	return &folder{path: path, file: file, recorder: recorder, header: header}, nil
}
