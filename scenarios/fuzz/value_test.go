package fuzz

import (
	"strings"
	"testing"
)

// Every value that generators draw is of the class that it stands under, and every template is one.
func TestValuesAreOfTheirClass(t *testing.T) {
	names := func(word string) (string, bool) {
		word, option, _ := strings.Cut(word, ":")
		switch {
		case option == "223":
			return "iqn.2026-01.org.example:" + strings.Repeat("x", 223-24), true
		case option == "224":
			return "iqn.2026-01.org.example:" + strings.Repeat("x", 224-24), true
		case word == "bytes":
			n, _ := numberOf(option)
			return "0x" + strings.Repeat("5a", n), true
		case option == "base64":
			return "0bAAECAwQFBgcICQoLDA0ODw==", true
		case option == "bare":
			return strings.Repeat("5a", 16), true
		case strings.HasPrefix(word, "chap."):
			return "0x" + strings.Repeat("5a", 16), true
		case word == "user":
			return "user", true
		}
		return "iqn.2026-01.org.example:disk", true
	}
	for k := range keyCount {
		for class, templates := range valuesOf[k] {
			for _, template := range templates {
				value, err := Expand(template, names)
				if err != nil {
					t.Errorf("%s: %v", keys[k].name, err)
				}
				name := keys[k].name
				if k == kUnknown {
					name = value
				}
				if got := classOf(k, name, value); got != class {
					t.Errorf("%s=%q is %s, stands under %s", keys[k].name, value, got, class)
				}
			}
		}
	}
}
