package scenarios

import (
	"bufio"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"path"
	"sort"
	"strconv"
	"strings"
)

// Selection picks checks. The zero value picks all.
//
// A pattern is an id ("login.basic.direct-operational"), an id with globs ("login.*"), a group ("login"), a level
// ("must"), a tier ("tier1"), a section ("rfc7143/11.13", which includes its subsections) or "@file" with one pattern a
// line. Commas separate patterns.
type Selection struct {
	Only, Skip []string
	// Shard picks part Index (from 1) of Count, by a hash of the ID. Count 0 or 1 means all.
	Shard Shard
}

// Shard is one part of a list of checks.
type Shard struct{ Index, Count int }

// ShardMax is the highest number of parts.
const ShardMax = 1000

// ErrSelection is what a selection that cannot be understood wraps.
var ErrSelection = errors.New("bad selection")

// EmptyError tells that a selection matched nothing. It is its own exit status.
type EmptyError struct {
	// Pattern that matched nothing; empty where the patterns matched but left nothing together.
	Pattern string
	// Nearest are up to three names that look like it.
	Nearest []string
}

// Error names the pattern and what may have been meant.
func (e *EmptyError) Error() string {
	if e.Pattern == "" {
		return "the selection matches no check"
	}
	if len(e.Nearest) == 0 {
		return fmt.Sprintf("%q matches no check", e.Pattern)
	}
	return fmt.Sprintf("%q matches no check; nearest: %s", e.Pattern, strings.Join(e.Nearest, ", "))
}

// ParseShard reads "I/N".
func ParseShard(text string) (Shard, error) {
	i, n, ok := strings.Cut(text, "/")
	index, errI := strconv.Atoi(i)
	count, errN := strconv.Atoi(n)
	if !ok || errI != nil || errN != nil || index < 1 || index > count || count > ShardMax {
		return Shard{}, fmt.Errorf("%w: shard %q: want I/N with 1 <= I <= N <= %d", ErrSelection, text, ShardMax)
	}
	return Shard{Index: index, Count: count}, nil
}

// Pick returns the entries that the selection names, in their order. Every pattern has to match something of entries,
// also those under Skip; else the error is an *EmptyError, as it is where nothing is left. Sharding a list so finely
// that a part is empty is no error: the part has nothing to do.
func (s Selection) Pick(entries []Entry) ([]Entry, error) {
	only, err := expand(s.Only)
	if err != nil {
		return nil, err
	}
	skip, err := expand(s.Skip)
	if err != nil {
		return nil, err
	}
	wanted, err := matching(entries, only)
	if err != nil {
		return nil, err
	}
	unwanted, err := matching(entries, skip)
	if err != nil {
		return nil, err
	}
	var picked []Entry
	for i, e := range entries {
		if (len(only) == 0 || wanted[i]) && !unwanted[i] {
			picked = append(picked, e)
		}
	}
	if len(picked) == 0 {
		return nil, &EmptyError{}
	}
	return s.Shard.pick(picked), nil
}

// pick keeps the entries of one part.
func (s Shard) pick(entries []Entry) []Entry {
	if s.Count <= 1 {
		return entries
	}
	var part []Entry
	for _, e := range entries {
		h := fnv.New32a()
		h.Write([]byte(e.ID))
		if int(h.Sum32()%uint32(s.Count)) == s.Index-1 {
			part = append(part, e)
		}
	}
	return part
}

// expand splits patterns at commas and reads pattern files. A file holds no further files.
func expand(patterns []string) ([]string, error) {
	var all []string
	for _, p := range patterns {
		for _, one := range strings.Split(p, ",") {
			one = strings.TrimSpace(one)
			name, isFile := strings.CutPrefix(one, "@")
			switch {
			case one == "":
				return nil, fmt.Errorf("%w: an empty pattern in %q", ErrSelection, p)
			case isFile:
				lines, err := patternFile(name)
				if err != nil {
					return nil, err
				}
				all = append(all, lines...)
			default:
				all = append(all, one)
			}
		}
	}
	return all, nil
}

// patternFile reads one pattern a line; "#" starts a comment.
func patternFile(name string) ([]string, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSelection, err)
	}
	defer f.Close()
	var lines []string
	scanner := bufio.NewScanner(f)
	for scanner.Scan() {
		line, _, _ := strings.Cut(scanner.Text(), "#")
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	if err := scanner.Err(); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrSelection, name, err)
	}
	if len(lines) == 0 {
		return nil, &EmptyError{Pattern: "@" + name}
	}
	return lines, nil
}

// matching marks the entries that any of the patterns matches.
func matching(entries []Entry, patterns []string) ([]bool, error) {
	marked := make([]bool, len(entries))
	for _, p := range patterns {
		if _, err := path.Match(p, ""); err != nil {
			return nil, fmt.Errorf("%w: pattern %q: %w", ErrSelection, p, err)
		}
		found := false
		for i, e := range entries {
			if e.Row.Matches(p) {
				marked[i], found = true, true
			}
		}
		if !found {
			return nil, &EmptyError{Pattern: p, Nearest: Nearest(p, entryNames(entries), 3)}
		}
	}
	return marked, nil
}

// Matches tells whether the pattern names this row: see Selection for the forms.
func (r *Row) Matches(pattern string) bool {
	if pattern == r.ID || pattern == r.Group || pattern == string(r.Level) || pattern == fmt.Sprintf("tier%d", r.Tier) {
		return true
	}
	if strings.HasPrefix(pattern, "rfc") {
		for _, section := range r.Sections() {
			if section == pattern || strings.HasPrefix(section, pattern+".") || strings.HasPrefix(section, pattern+"/") {
				return true
			}
		}
		return false
	}
	matched, err := path.Match(pattern, r.ID)
	return err == nil && matched
}

// entryNames lists what a pattern could have meant.
func entryNames(entries []Entry) []string {
	seen := map[string]bool{}
	var names []string
	for _, e := range entries {
		for _, name := range []string{e.ID, e.Row.Group} {
			if !seen[name] {
				seen[name] = true
				names = append(names, name)
			}
		}
	}
	return names
}

// Nearest returns up to n of the names that look most like the given one, the most alike first. Names that share
// nothing with it are left out.
func Nearest(name string, names []string, n int) []string {
	type candidate struct {
		name     string
		distance int
	}
	var candidates []candidate
	for _, c := range names {
		d := distance(name, c)
		if strings.Contains(c, name) {
			d /= 4
		}
		if d < max(len(name), len(c)) {
			candidates = append(candidates, candidate{c, d})
		}
	}
	sort.SliceStable(candidates, func(a, b int) bool {
		if candidates[a].distance != candidates[b].distance {
			return candidates[a].distance < candidates[b].distance
		}
		return candidates[a].name < candidates[b].name
	})
	var nearest []string
	for _, c := range candidates[:min(n, len(candidates))] {
		nearest = append(nearest, c.name)
	}
	return nearest
}

// distance is how many bytes have to be put in, taken out or replaced to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
