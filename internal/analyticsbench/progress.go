package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// progress shows how far a long phase is: a bar on a terminal, a line now and
// then elsewhere.
type progress struct {
	name, unit string
	total      float64
	began      time.Time
	shown      time.Time
	every      time.Duration
	terminal   bool
}

func newProgress(name string, total float64, unit string) *progress {
	p := &progress{name: name, total: total, unit: unit, began: time.Now(), every: 15 * time.Second}
	if info, err := os.Stderr.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		p.terminal, p.every = true, 200*time.Millisecond
	}
	return p
}

func (p *progress) at(done float64, more string) {
	if time.Since(p.shown) < p.every {
		return
	}
	p.shown = time.Now()
	p.print(done, more)
}

// end shows the last state.
func (p *progress) end(done float64, more string) {
	p.print(done, more)
	if p.terminal {
		fmt.Fprintln(os.Stderr)
	}
}

func (p *progress) print(done float64, more string) {
	const width = 30
	elapsed := time.Since(p.began)
	share := min(1, done/max(1, p.total))
	full := int(share * width)
	line := fmt.Sprintf("%-10s [%s%s] %3.0f %%  %s of %s %s, %s/s, %s", p.name, strings.Repeat("=", full), strings.Repeat(" ", width-full), 100*share,
		short(done), short(p.total), p.unit, short(done/max(.001, elapsed.Seconds())), elapsed.Round(time.Second))
	if more != "" {
		line += "; " + more
	}
	if p.terminal {
		fmt.Fprintf(os.Stderr, "\r\x1b[2K%s", line)
		return
	}
	fmt.Fprintln(os.Stderr, line)
}

// short writes a large number for people.
func short(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%.2fM", v/1e6)
	case v >= 1e4:
		return fmt.Sprintf("%.0fk", v/1e3)
	}
	return fmt.Sprintf("%.0f", v)
}
