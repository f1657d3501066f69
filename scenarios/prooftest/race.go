//go:build race

package prooftest

// detecting tells that the race detector runs.
const detecting = true
