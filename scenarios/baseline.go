package scenarios

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

// Baseline lists findings that are known and explained, so that a run fails only on news.
type Baseline struct {
	entries   []BaselineEntry
	byID      map[string]*BaselineEntry
	monitored map[string]*BaselineEntry
}

// BaselineEntry is one known finding, written by hand and reviewed.
type BaselineEntry struct {
	// ID is exact, or a pattern with globs, which needs Count.
	ID string `yaml:"id" json:"id"`
	// Verdict that is expected: fail, warn, inconclusive or broken.
	Verdict string `yaml:"verdict" json:"verdict"`
	// Reason says why it is known and left, at least a sentence.
	Reason string `yaml:"reason" json:"reason"`
	// Monitored tells that the entry is about what monitors find of the row in the traces of other checks. What they find of a row whose own
	// check is listed, with a verdict no graver, needs no entry.
	Monitored bool `yaml:"monitored" json:"monitored,omitempty"`
	// Count is how many checks a pattern matches; it must be exact, so that no new finding hides under it.
	Count int    `yaml:"count" json:"count,omitempty"`
	Link  string `yaml:"link" json:"link,omitempty"`
	Owner string `yaml:"owner" json:"owner,omitempty"`
	// Since and Until are dates as 2006-01-02. After Until the entry no longer explains anything.
	Since string `yaml:"since" json:"since,omitempty"`
	Until string `yaml:"until" json:"until,omitempty"`
}

// ErrBaseline is what every complaint about a baseline file wraps.
var ErrBaseline = errors.New("bad baseline")

// reasonMin is the shortest reason that can be called a sentence, in bytes.
const reasonMin = 15

// LoadBaseline reads a baseline file and holds it against the registry: a list of entries under "known". Entries whose
// Until lies before today are refused as stale.
func LoadBaseline(file string, registry *Registry, today time.Time) (*Baseline, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBaseline, err)
	}
	b, err := ParseBaseline(text, registry, today)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return b, nil
}

// ParseBaseline is LoadBaseline for a text in memory.
func ParseBaseline(text []byte, registry *Registry, today time.Time) (*Baseline, error) {
	var file struct {
		Known []BaselineEntry `yaml:"known"`
	}
	if err := yaml.UnmarshalWithOptions(text, &file, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("%w: %s", ErrBaseline, strings.TrimSpace(yaml.FormatError(err, false, true)))
	}
	b := &Baseline{entries: file.Known, byID: map[string]*BaselineEntry{}, monitored: map[string]*BaselineEntry{}}
	for i := range b.entries {
		e := &b.entries[i]
		if err := e.validate(today); err != nil {
			return nil, fmt.Errorf("%w: entry %d (%s): %w", ErrBaseline, i+1, e.ID, err)
		}
		ids, err := e.expand(registry)
		if err != nil {
			return nil, fmt.Errorf("%w: entry %d: %w", ErrBaseline, i+1, err)
		}
		explained := b.byID
		if e.Monitored {
			explained = b.monitored
		}
		for _, id := range ids {
			if explained[id] != nil {
				return nil, fmt.Errorf("%w: %s is explained twice", ErrBaseline, id)
			}
			explained[id] = e
		}
	}
	return b, nil
}

// validate holds one entry against the rules that need no registry.
func (e *BaselineEntry) validate(today time.Time) error {
	v, err := ParseVerdict(e.Verdict)
	switch {
	case e.ID == "":
		return errors.New("it has no id")
	case err != nil:
		return err
	case v == Pass || v == Skip:
		return fmt.Errorf("the verdict %s needs no entry", v)
	case len(strings.TrimSpace(e.Reason)) < reasonMin:
		return errors.New("its reason is missing or too short: say in a sentence why this is known and left")
	}
	for _, date := range []string{e.Since, e.Until} {
		if date == "" {
			continue
		}
		if _, err := time.Parse(time.DateOnly, date); err != nil {
			return fmt.Errorf("the date %q is not of the form 2006-01-02", date)
		}
	}
	if e.Until != "" && today.Format(time.DateOnly) > e.Until {
		return fmt.Errorf("it was good until %s: mend the finding or set a new date", e.Until)
	}
	return nil
}

// expand lists the IDs that the entry explains.
func (e *BaselineEntry) expand(registry *Registry) ([]string, error) {
	if e.Monitored && registry.Catalogue().Row(e.ID) != nil {
		return []string{e.ID}, nil
	}
	if !strings.ContainsAny(e.ID, "*?[") {
		if len(registry.Find(e.ID)) == 0 {
			var ids []string
			for _, entry := range registry.Entries() {
				ids = append(ids, entry.ID)
			}
			return nil, fmt.Errorf("unknown id %q; nearest: %s", e.ID, strings.Join(Nearest(e.ID, ids, 3), ", "))
		}
		return []string{e.ID}, nil
	}
	var ids []string
	for _, entry := range registry.Entries() {
		matched, err := path.Match(e.ID, entry.ID)
		if err != nil {
			return nil, fmt.Errorf("pattern %q: %w", e.ID, err)
		}
		if matched && (len(ids) == 0 || ids[len(ids)-1] != entry.ID) {
			ids = append(ids, entry.ID)
		}
	}
	if len(ids) != e.Count {
		return nil, fmt.Errorf("the pattern %q matches %d checks, its count says %d", e.ID, len(ids), e.Count)
	}
	return ids, nil
}

// Judge sets the standing of a result. A nil baseline leaves it without one, as it does a skipped check, which proves
// nothing about its entry.
func (b *Baseline) Judge(r *Result) {
	if b == nil {
		return
	}
	e := b.byID[r.ID]
	if r.Monitored != nil {
		e = b.ofMonitors(r)
	}
	if e == nil || r.Verdict == Skip {
		return
	}
	r.Because = e.Reason
	switch {
	case strings.EqualFold(e.Verdict, r.Verdict.String()), r.Monitored != nil && !e.Monitored:
		r.Standing = Known
	case r.Verdict == Pass:
		r.Standing = Fixed
	default:
		r.Standing = Differs
	}
}

// ofMonitors finds the entry for a row that monitors found broken: its own, or that of the row's check where that is as grave.
func (b *Baseline) ofMonitors(r *Result) *BaselineEntry {
	if own := b.monitored[r.ID]; own != nil {
		return own
	}
	e := b.byID[r.ID]
	if e == nil {
		return nil
	}
	listed, err := ParseVerdict(e.Verdict)
	if err != nil || Worse(listed, r.Verdict) != listed {
		return nil
	}
	return e
}

// SuggestBaseline returns a baseline file with an entry for each result that nothing explains yet. The reasons are left
// empty, so that the file is refused until somebody has thought about each. It is nil where there is nothing to explain.
func SuggestBaseline(results []*Result) []byte {
	var b strings.Builder
	for _, r := range results {
		if r.Expected() || r.Verdict == Pass {
			continue
		}
		actual, _, _ := strings.Cut(r.Actual, "\n")
		monitored := ""
		if r.Monitored != nil {
			monitored = "  monitored: true\n"
		}
		fmt.Fprintf(&b, "- id: %s\n%s  verdict: %s\n  reason: \"\" # %s: %s\n", r.ID, monitored, r.Verdict, r.Clause, actual)
	}
	if b.Len() == 0 {
		return nil
	}
	return []byte("# Fill in each reason, at least a sentence; then --baseline takes this file.\nknown:\n" + b.String())
}
