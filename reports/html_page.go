package reports

import (
	_ "embed"
	"html/template"
)

//go:embed assets/head.html
var headTemplate string

//go:embed assets/style.css
var pageStyle string

//go:embed assets/filter.js
var filterScript string

// newPage parses the template of one page. Its data have at least Headline, Style (pageStyle) and Script (scriptOf).
func newPage(name, body string) *template.Template {
	return template.Must(template.Must(template.New(name).Parse(headTemplate)).Parse(body))
}

// scriptOf puts a page's own script behind the one that all pages share.
func scriptOf(own string) template.JS { return template.JS(filterScript + own) }
