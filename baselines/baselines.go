// Package baselines holds the findings that the suites have in fielded peers, each with its reason, as --baseline takes them. They are
// embedded so that explain can tell which peers are known to differ at a row.
package baselines

import (
	"embed"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/goccy/go-yaml"

	"github.com/iscsispec/iscsispec/scenarios"
)

//go:embed *.yaml
var files embed.FS

// Peer is one peer with what is known of it.
type Peer struct {
	// Name is the file's without its ending: "tgt", "tgt-chap".
	Name string
	// About says in a sentence what was judged: program, version, how it was set up.
	About string
	// Known are the findings.
	Known []scenarios.BaselineEntry
}

// Difference is what is known of one peer at one row.
type Difference struct {
	// Peer is the peer's name, About what was judged.
	Peer  string `json:"peer"`
	About string `json:"about"`
	// Verdict is the row's word, "fail" or "warn"; Reason says what the peer does.
	Verdict string `json:"verdict"`
	Reason  string `json:"reason"`
}

// Peers returns all peers in the order of their names. It panics when an embedded file cannot be read, which only a change of that file can
// cause. The slice is shared and must not be changed.
var Peers = sync.OnceValue(func() []Peer {
	names, err := files.ReadDir(".")
	if err != nil {
		panic("baselines: " + err.Error())
	}
	var peers []Peer
	for _, entry := range names {
		text, err := files.ReadFile(entry.Name())
		if err != nil {
			panic("baselines: " + err.Error())
		}
		var file struct {
			Known []scenarios.BaselineEntry `yaml:"known"`
		}
		if err := yaml.UnmarshalWithOptions(text, &file, yaml.Strict()); err != nil {
			panic(fmt.Sprintf("baselines: %s: %v", entry.Name(), err))
		}
		peers = append(peers, Peer{strings.TrimSuffix(entry.Name(), path.Ext(entry.Name())), about(string(text)), file.Known})
	}
	slices.SortFunc(peers, func(a, b Peer) int { return strings.Compare(a.Name, b.Name) })
	return peers
})

// about is the first sentence of the comment that a file opens with. A full stop inside "1.0.85" or "libiscsi-bin of Debian 12." ends none
// unless a capital follows.
func about(text string) string {
	var words []string
	for line := range strings.Lines(text) {
		comment, isComment := strings.CutPrefix(line, "#")
		if !isComment {
			break
		}
		words = append(words, strings.Fields(comment)...)
	}
	for i, w := range words {
		if strings.HasSuffix(w, ".") && (i+1 == len(words) || strings.ToUpper(words[i+1][:1]) == words[i+1][:1]) {
			return strings.Join(words[:i+1], " ")
		}
	}
	return strings.Join(words, " ")
}

// Of returns what is known of peers at a row, in the order of their names.
func Of(id string) []Difference {
	var found []Difference
	for _, p := range Peers() {
		for _, e := range p.Known {
			if matched, err := path.Match(e.ID, id); err == nil && matched {
				found = append(found, Difference{p.Name, p.About, e.Verdict, e.Reason})
			}
		}
	}
	return found
}
