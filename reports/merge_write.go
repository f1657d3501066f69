package reports

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/iscsispec/iscsispec/scenarios"
)

// WriteMerged writes merged runs into a folder. One run becomes what a check leaves: records, reports, captures. Several stand side by side: each
// has a folder of its name, and index.html, report.json and junit.xml tell of all.
func WriteMerged(folder string, merged []*Merged, coverage scenarios.Coverage) error {
	if len(merged) == 1 {
		return merged[0].write(folder, coverage)
	}
	if err := Clear(folder); err != nil {
		return fmt.Errorf("reports: %w", err)
	}
	// Nothing but the runs has captures here, and no records are of all.
	for _, name := range []string{FolderCaptures, FileRecords} {
		if err := os.Remove(filepath.Join(folder, name)); err != nil && !errors.Is(err, fs.ErrNotExist) && name == FileRecords {
			return fmt.Errorf("reports: %w", err)
		}
	}
	for _, m := range merged {
		if err := m.write(filepath.Join(folder, m.Name), coverage); err != nil {
			return err
		}
	}
	for _, f := range []struct {
		name string
		draw func(io.Writer) error
	}{
		{FileHTML, func(w io.Writer) error { return WriteMatrix(w, merged) }},
		{FileJSON, func(w io.Writer) error { return writeMatrixJSON(w, merged) }},
		{FileJUnit, func(w io.Writer) error { return WriteJUnit(w, sideBySide(merged)) }},
	} {
		if err := save(filepath.Join(folder, f.name), f.draw); err != nil {
			return err
		}
	}
	return nil
}

// sideBySide makes one list of all results, each suite under the name of its run.
func sideBySide(merged []*Merged) Run {
	var all Run
	var peers []string
	for i, m := range merged {
		if i == 0 {
			all.Header = m.Header
			all.Header.DurationMS = 0
		}
		all.Header.DurationMS += m.Header.DurationMS
		peers = append(peers, m.Name+": "+m.Header.Peer)
		for _, r := range m.Results {
			named := *r
			named.Suite = m.Name + "/" + r.Suite
			all.Results = append(all.Results, &named)
		}
	}
	all.Header.Peer = strings.Join(peers, "; ")
	return all
}

// write leaves in a folder what a check leaves there.
func (m *Merged) write(folder string, coverage scenarios.Coverage) error {
	if err := Clear(folder); err != nil {
		return fmt.Errorf("reports: %w", err)
	}
	copied := map[string]bool{}
	for _, r := range m.Results {
		if err := CopyCapture(folder, m.folders[r], r, copied); err != nil {
			return err
		}
	}
	file, err := os.Create(filepath.Join(folder, FileRecords))
	if err != nil {
		return fmt.Errorf("reports: %w", err)
	}
	defer file.Close()
	recorder, err := scenarios.NewRecorder(file, m.Header)
	if err != nil {
		return err
	}
	for _, r := range m.Results {
		if err := recorder.Write(r); err != nil {
			return fmt.Errorf("reports: writing %s: %w", file.Name(), err)
		}
	}
	if m.Header.DurationMS > 0 {
		if err := recorder.Finish(time.Duration(m.Header.DurationMS)*time.Millisecond, m.Header.Interrupted); err != nil {
			return fmt.Errorf("reports: writing %s: %w", file.Name(), err)
		}
	}
	if err := file.Close(); err != nil {
		return fmt.Errorf("reports: writing %s: %w", file.Name(), err)
	}
	return Write(folder, Run{Header: m.Header, Results: m.Results, Coverage: coverage})
}

// CopyCapture brings the capture of a result from one run's folder to another. Several results may share one; copied remembers what is there.
// A capture that is missing, or whose path leads out of the folder of captures, is taken out of the result.
func CopyCapture(to, from string, r *scenarios.Result, copied map[string]bool) error {
	if r.Capture == "" {
		return nil
	}
	path := filepath.FromSlash(r.Capture)
	if !filepath.IsLocal(path) || filepath.Dir(path) != FolderCaptures || filepath.Ext(path) != ".pcapng" {
		r.Capture = ""
		return nil
	}
	if copied[path] {
		return nil
	}
	in, err := os.Open(filepath.Join(from, path))
	if errors.Is(err, fs.ErrNotExist) {
		r.Capture = ""
		return nil
	}
	if err != nil {
		return fmt.Errorf("reports: %w", err)
	}
	defer in.Close()
	if err := os.MkdirAll(filepath.Join(to, FolderCaptures), 0o755); err != nil {
		return fmt.Errorf("reports: %w", err)
	}
	copied[path] = true
	return save(filepath.Join(to, path), func(w io.Writer) error {
		_, err := io.Copy(w, bufio.NewReader(in))
		return err
	})
}
