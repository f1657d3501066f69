package reports

import (
	"fmt"
	"html"
	"strings"
	"time"
)

// The measures of a timing plot, in the units of its view box.
const (
	plotWidth   = 960
	plotLeft    = 190 // where the axis begins; the names of the tracks stand before it
	plotRight   = 24
	trackHeight = 22
	trackGap    = 10
	plotTop     = 8
	letterWidth = 6.4 // of the labels in bands, on average
)

// svg draws the plot. Colours and patterns are left to the page's style sheet; every band and mark says in a title what it is.
func (t *timing) svg() string {
	var b strings.Builder
	height := plotTop + len(t.tracks)*(trackHeight+trackGap)
	fmt.Fprintf(&b, `<svg class="plot" viewBox="0 0 %d %d" role="img" aria-label="%s">`, plotWidth, height+34, html.EscapeString(t.describe()))
	for _, f := range t.faults {
		fmt.Fprintf(&b, `<rect class="fault" x="%s" y="%d" width="%s" height="%d"/>`, num(t.x(f.from)), plotTop-4, num(t.x(f.to)-t.x(f.from)), height-plotTop+4)
	}
	t.axis(&b, height)
	for _, at := range t.cuts {
		fmt.Fprintf(&b, `<path class="cut" d="M%s %dV%d"/>`, num(t.x(at)), plotTop-4, height)
	}
	for i := range t.tracks {
		t.track(&b, &t.tracks[i], plotTop+i*(trackHeight+trackGap))
	}
	b.WriteString(`</svg>`)
	return b.String()
}

// describe says what the plot shows, for those who cannot see it.
func (t *timing) describe() string {
	var names []string
	for i := range t.tracks {
		names = append(names, t.tracks[i].name)
	}
	return fmt.Sprintf("Timing over %s: %s", seconds(t.end), strings.Join(names, ", "))
}

func (t *timing) span() time.Duration { return max(t.end, time.Millisecond) }

func (t *timing) x(at time.Duration) float64 {
	return plotLeft + float64(at)/float64(t.span())*(plotWidth-plotLeft-plotRight)
}

func (t *timing) axis(b *strings.Builder, y int) {
	step := tickStep(t.span())
	fmt.Fprintf(b, `<path class="axis" d="M%d %dH%d"/>`, plotLeft, y, plotWidth-plotRight)
	for at := time.Duration(0); at <= t.span(); at += step {
		x := num(t.x(at))
		fmt.Fprintf(b, `<path class="grid" d="M%s %dV%d"/><text class="tick" x="%s" y="%d">%s</text>`, x, plotTop-4, y+4, x, y+18, tickLabel(at, step))
	}
	fmt.Fprintf(b, `<text class="unit" x="%d" y="%d">seconds</text>`, plotLeft-10, y+18)
}

// tickStep gives the distance of the ticks of an axis: a round number of which at most twelve fit.
func tickStep(span time.Duration) time.Duration {
	for unit := time.Microsecond; ; unit *= 10 {
		for _, n := range []time.Duration{1, 2, 5} {
			if span/(n*unit) <= 12 {
				return n * unit
			}
		}
	}
}

func tickLabel(at, step time.Duration) string {
	digits := 0
	for s := step; s < time.Second && digits < 6; s *= 10 {
		digits++
	}
	return fmt.Sprintf("%.*f", digits, at.Seconds())
}

func (t *timing) track(b *strings.Builder, tr *track, y int) {
	fmt.Fprintf(b, `<text class="name" x="%d" y="%d">%s</text>`, plotLeft-10, y+15, html.EscapeString(shorten(tr.name, 25)))
	fmt.Fprintf(b, `<path class="rail" d="M%d %sH%d"/>`, plotLeft, num(float64(y)+trackHeight/2), plotWidth-plotRight)
	for _, s := range tr.bands {
		from, to := t.x(s.from), t.x(s.to)
		width := max(to-from, 1)
		label := s.label
		if s.tone != toneGood {
			label += " " + exactSeconds(s.to-s.from)
		}
		title := fmt.Sprintf("%s from %s to %s, for %s", s.label, seconds(s.from), seconds(s.to), seconds(s.to-s.from))
		fmt.Fprintf(b, `<g class="band %s"><title>%s</title><rect x="%s" y="%d" width="%s" height="%d" rx="2"/>`,
			s.tone, html.EscapeString(title), num(from), y, num(width), trackHeight)
		if float64(len(label))*letterWidth+16 < width {
			fmt.Fprintf(b, `<text x="%s" y="%d">%s</text>`, num(from+9), y+15, html.EscapeString(label))
		}
		b.WriteString(`</g>`)
	}
	for _, m := range tr.marks {
		fmt.Fprintf(b, `<g class="mark %s"><title>%s: %s</title><path d="%s"/></g>`,
			m.tone, seconds(m.at), html.EscapeString(m.label), shape(m.shape, t.x(m.at), float64(y)+trackHeight/2))
	}
}

// shape gives the outline of a mark around a point.
func shape(name string, x, y float64) string {
	switch name {
	case "tick":
		return fmt.Sprintf("M%s %sv18", num(x), num(y-9))
	case "cross":
		return fmt.Sprintf("M%s %sl8 8m0 -8l-8 8", num(x-4), num(y-4))
	case "diamond":
		return fmt.Sprintf("M%s %sl5 6l-5 6l-5 -6z", num(x), num(y-6))
	case "up":
		return fmt.Sprintf("M%s %sl5 9h-10z", num(x), num(y-5))
	}
	return fmt.Sprintf("M%s %sh6v6h-6z", num(x-3), num(y-3))
}

// exactSeconds gives a period to the millisecond, without zeros that say nothing: 60 s, 59.999 s.
func exactSeconds(d time.Duration) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.3f", d.Seconds()), "0"), ".") + " s"
}

// num writes a coordinate with at most one digit behind the point.
func num(v float64) string {
	return strings.TrimSuffix(fmt.Sprintf("%.1f", v), ".0")
}

// shorten cuts a text to so many characters.
func shorten(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}
