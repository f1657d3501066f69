package reports

import "io"

// WriteHTML writes index.html.
func WriteHTML(w io.Writer, run Run) error {
	_, err := io.WriteString(w, "<!doctype html>")
	return err
}
