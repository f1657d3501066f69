package reports

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/iscsispec/iscsispec/scenarios"
)

// ErrMerge is what every complaint about runs that cannot be put together wraps.
var ErrMerge = errors.New("cannot merge")

// Part is one run, or one shard of a run, that is to be merged.
type Part struct {
	// Name is the run's that it belongs to. Where it is empty, parts that judged the same peer are one run.
	Name string
	// Folder is where it was read from; its captures stand there.
	Folder string
	Run
}

// Merged is one whole run, made of one part or several.
type Merged struct {
	// Name is fit to be that of a folder.
	Name string
	Run
	// folders tells where the capture of a result stands.
	folders map[*scenarios.Result]string
}

// namePattern is what the name of a run may be made of.
var namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// Merge puts parts together: shards of one run, or runs of several suites before one peer, become one run; runs of other peers, or of other
// names, stay beside it. What becomes one has to have catalogue, seed, build, --strict and --allow in common, and no check twice. Shards have to
// be complete unless partial says that gaps are wanted. Errors wrap ErrMerge.
func Merge(parts []Part, partial bool) ([]*Merged, error) {
	var groups [][]Part
	place := map[string]int{}
	for _, p := range parts {
		if p.Name != "" && !namePattern.MatchString(p.Name) {
			return nil, fmt.Errorf("%w: %q names no run: want letters, digits, dots, hyphens and underscores", ErrMerge, p.Name)
		}
		key := "name " + p.Name
		if p.Name == "" {
			key = "peer " + p.Header.Peer
		}
		at, known := place[key]
		if !known {
			at = len(groups)
			place[key] = at
			groups = append(groups, nil)
		}
		groups[at] = append(groups[at], p)
	}
	var merged []*Merged
	names := map[string]string{}
	for _, group := range groups {
		m, err := mergeOne(group, partial)
		if err != nil {
			return nil, err
		}
		if other, taken := names[m.Name]; taken {
			return nil, fmt.Errorf("%w: the runs in %s and %s would both be called %s: name them, as in NAME=%s", ErrMerge, other, group[0].Folder, m.Name, group[0].Folder)
		}
		names[m.Name] = group[0].Folder
		merged = append(merged, m)
	}
	return merged, nil
}

// mergeOne makes one run of parts.
func mergeOne(parts []Part, partial bool) (*Merged, error) {
	first := parts[0]
	m := &Merged{Name: cmp.Or(first.Name, nameOf(first.Folder)), Run: Run{Header: first.Header}, folders: map[*scenarios.Result]string{}}
	for _, p := range parts[1:] {
		if what := unlike(first.Header, p.Header); what != "" {
			return nil, fmt.Errorf("%w: %s and %s are not of one run: they differ in %s; name them apart, as in a=%s b=%s, to see them side by side",
				ErrMerge, first.Folder, p.Folder, what, first.Folder, p.Folder)
		}
	}
	missing, err := gaps(parts)
	if err != nil {
		return nil, err
	}
	if len(missing) > 0 && !partial {
		return nil, fmt.Errorf("%w: the run of %s lacks the shards %s; --partial merges what is there", ErrMerge, first.Folder, strings.Join(missing, ", "))
	}
	if len(parts) > 1 {
		m.Header = joinedHeader(parts, len(missing) > 0)
	}
	type key struct{ suite, id string }
	seen := map[key]string{}
	monitored := map[key][]*scenarios.Result{}
	var order []key
	for _, p := range parts {
		for _, r := range p.Results {
			k := key{r.Suite, r.ID}
			m.folders[r] = p.Folder
			if r.Monitored != nil {
				if monitored[k] == nil {
					order = append(order, k)
				}
				monitored[k] = append(monitored[k], r)
				continue
			}
			if other, twice := seen[k]; twice {
				return nil, fmt.Errorf("%w: %s of suite %s stands in %s and in %s: name the runs apart, as in a=%s b=%s, to see them side by side",
					ErrMerge, r.ID, r.Suite, other, p.Folder, other, p.Folder)
			}
			seen[k] = p.Folder
			m.Results = append(m.Results, r)
		}
	}
	if len(parts) > 1 {
		inOrder(m.Results, m.Header.Suites)
	}
	for _, k := range order {
		joined := monitored[k][0]
		if len(monitored[k]) > 1 {
			joined = scenarios.JoinMonitored(monitored[k])
			m.folders[joined] = m.folders[monitored[k][0]]
			for _, r := range monitored[k] {
				if r.Monitored.Check == joined.Monitored.Check {
					m.folders[joined] = m.folders[r]
					break
				}
			}
		}
		m.Results = append(m.Results, joined)
	}
	return m, nil
}

// nameOf makes a name of a folder's.
func nameOf(folder string) string {
	name := filepath.Base(filepath.Clean(folder))
	if abs, err := filepath.Abs(folder); err == nil {
		name = filepath.Base(abs)
	}
	if namePattern.MatchString(name) {
		return name
	}
	return "run"
}

// unlike names what two parts of one run may not differ in, and do.
func unlike(a, b scenarios.Header) string {
	switch {
	case a.Catalogue != b.Catalogue:
		return fmt.Sprintf("the catalogue (%s and %s)", a.Catalogue, b.Catalogue)
	case a.Seed != b.Seed:
		return fmt.Sprintf("the seed (%d and %d)", a.Seed, b.Seed)
	case a.Strict != b.Strict:
		return "--strict"
	case a.Allow != b.Allow:
		return fmt.Sprintf("--allow (%s and %s)", a.Allow, b.Allow)
	case a.Tool.Version != b.Tool.Version || a.Tool.Commit != b.Tool.Commit || a.Tool.Modified != b.Tool.Modified:
		return "the build of the tool"
	}
	return ""
}

// gaps lists the shards that are missing between those that are there.
func gaps(parts []Part) ([]string, error) {
	counts := map[int]map[int]bool{}
	for _, p := range parts {
		if p.Header.Shard == "" {
			continue
		}
		shard, err := scenarios.ParseShard(p.Header.Shard)
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrMerge, p.Folder, err)
		}
		if counts[shard.Count] == nil {
			counts[shard.Count] = map[int]bool{}
		}
		counts[shard.Count][shard.Index] = true
	}
	var missing []string
	for _, count := range slices.Sorted(maps.Keys(counts)) {
		for i := 1; i <= count; i++ {
			if !counts[count][i] {
				missing = append(missing, fmt.Sprintf("%d/%d", i, count))
			}
		}
	}
	return missing, nil
}

// joinedHeader is the header of a run that was made of parts: it started with the first of them and took as long as all together.
func joinedHeader(parts []Part, gaps bool) scenarios.Header {
	h := parts[0].Header
	h.Shard, h.Selected, h.DurationMS, h.Interrupted = "", 0, 0, gaps
	var suites, peers, hosts []string
	for _, p := range parts {
		suites = append(suites, p.Header.Suites...)
		peers = append(peers, strings.Split(p.Header.Peer, "; ")...)
		hosts = append(hosts, p.Header.Host)
		h.Selected += p.Header.Selected
		h.DurationMS += p.Header.DurationMS
		h.Interrupted = h.Interrupted || p.Header.Interrupted
		h.Workers = max(h.Workers, p.Header.Workers)
		if p.Header.Started.Before(h.Started) {
			h.Started = p.Header.Started
		}
	}
	h.Suites, h.Peer, h.Host = unique(suites), strings.Join(unique(peers), "; "), strings.Join(unique(hosts), ", ")
	h.Command = withoutShard(h.Command)
	return h
}

// withoutShard drops --shard from a command line: the merged run is the whole.
func withoutShard(command []string) []string {
	var kept []string
	for i := 0; i < len(command); i++ {
		switch {
		case command[i] == "--shard":
			i++
		case strings.HasPrefix(command[i], "--shard="):
		default:
			kept = append(kept, command[i])
		}
	}
	return kept
}

// inOrder sorts results as a whole run has them: by their place in the catalogue, then by suite.
func inOrder(results []*scenarios.Result, suites []string) {
	place := map[string]int{}
	for i, row := range scenarios.LoadCatalogue().Rows() {
		place[row.ID] = i
	}
	slices.SortStableFunc(results, func(a, b *scenarios.Result) int {
		return cmp.Or(cmp.Compare(place[a.ID], place[b.ID]), cmp.Compare(slices.Index(suites, a.Suite), slices.Index(suites, b.Suite)))
	})
}
