package main

import (
	"fmt"
	"slices"
)

// workload is what both sides do for a while.
type workload struct {
	name   string
	blocks int // Of 512 bytes, for each read; 0 is login and logout.
	depth  int
	random bool
	unit   string
}

var workloads = []workload{
	{"4 KiB random read, depth 1", 8, 1, true, "IOPS"},
	{"4 KiB random read, depth 32", 8, 32, true, "IOPS"},
	{"64 KiB sequential read, depth 8", 128, 8, false, "MiB/s"},
	{"login and logout", 0, 1, false, "a second"},
}

// rate turns operations a second into the workload's unit.
func (w workload) rate(perSecond float64) float64 {
	if w.unit == "MiB/s" {
		return perSecond * float64(w.blocks) / 2048
	}
	return perSecond
}

// spread gives the median of values, and between which they lie; a unit of "" makes them ratios.
func spread(values []float64, unit, missing string) string {
	if len(values) == 0 {
		return missing
	}
	sorted := slices.Sorted(slices.Values(values))
	median := (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
	if unit == "" {
		return fmt.Sprintf("%.2f [%.2f to %.2f]", median, sorted[0], sorted[len(sorted)-1])
	}
	return fmt.Sprintf("%.0f %s [%.0f to %.0f]", median, unit, sorted[0], sorted[len(sorted)-1])
}
