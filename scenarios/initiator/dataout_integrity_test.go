package initiator

import (
	"fmt"
	"testing"
)

// Each two values of different parameters meet in one shape at least.
func TestShapesAreCoveredInPairs(t *testing.T) {
	values := func(s shape) []string {
		return []string{fmt.Sprint("blocks ", s.blocks), fmt.Sprint("segment ", s.segment), fmt.Sprint("first ", min(s.first, 513)),
			fmt.Sprint("most ", s.most), fmt.Sprint("R2T ", s.initialR2T), fmt.Sprint("immediate ", s.immediate)}
	}
	met, seen := map[[2]string]bool{}, make([]map[string]bool, 6)
	for _, s := range shapes() {
		v := values(s)
		for i := range v {
			if seen[i] == nil {
				seen[i] = map[string]bool{}
			}
			seen[i][v[i]] = true
			for j := range i {
				met[[2]string{v[j], v[i]}] = true
			}
		}
	}
	for i := range seen {
		for j := range i {
			for a := range seen[j] {
				for b := range seen[i] {
					if !met[[2]string{a, b}] && (a != "first 513" || b != "most 512") {
						t.Errorf("%s and %s never meet", a, b)
					}
				}
			}
		}
	}
}
