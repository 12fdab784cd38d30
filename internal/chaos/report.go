//go:build linux

package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/posthorn/posthorn/internal/testkafka"
)

// failed tells whether the run shows that something is wrong.
func (r *result) failed(o options) bool {
	return r.err != nil || r.counted < o.faults || len(r.crashes) > 0 || r.verify == nil || r.absence == nil ||
		r.missing()+r.double()+r.different() > 0
}

// printResults writes the RESULT lines.
func (r *result) printResults(w io.Writer) {
	fmt.Fprintf(w, "RESULT chaos_faults %d count\n", r.counted)
	fmt.Fprintf(w, "RESULT chaos_missing %d count\n", r.missing())
	fmt.Fprintf(w, "RESULT chaos_double %d count\n", r.double())
	fmt.Fprintf(w, "RESULT chaos_different %d count\n", r.different())
	fmt.Fprintf(w, "RESULT chaos_crashes %d count\n", len(r.crashes))
}

// writeReport writes the run down in Markdown.
func writeReport(path string, o options, r *result) error {
	return writeMarkdown(path, func(p func(format string, args ...any), w io.Writer) { r.report(o, p, w) })
}

// writeMarkdown makes a file; p writes a line.
func writeMarkdown(path string, write func(p func(format string, args ...any), w io.Writer)) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	var b strings.Builder
	write(func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }, &b)
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		return fmt.Errorf("writing report: %w", err)
	}
	return nil
}

func (r *result) report(o options, p func(format string, args ...any), w io.Writer) {
	verdict := "passed"
	if r.failed(o) {
		verdict = "FAILED"
	}
	p("# Chaos run with seed %d: %s\n", o.seed, verdict)
	p("%s, %s on %d cores. Three brokers of Apache Kafka %s, %d partitions, replication %d; three workers of all stages.\n",
		time.Now().UTC().Format("2006-01-02 15:04 UTC"), runtime.Version(), runtime.NumCPU(), testkafka.Version(), partitions, replication)
	p("Again: `go run ./internal/chaos -seed %d -faults %d -duration %s -rate %d`\n", o.seed, o.faults, o.duration, o.rate)
	p("## Result\n")
	p("```")
	r.printResults(w)
	p("```\n")
	p("- %d faults struck, %d of them hit work in progress, in %.0f s; the whole run took %.0f s", len(r.struck), r.counted, r.faulted.Seconds(), r.took.Seconds())
	p("- %s; %.0f events/s", r.load, float64(r.load.events.Load())/r.faulted.Seconds())
	if r.absence != nil {
		p("- absence stage: %d expected, %d found, %d missing, %d surplus, %d different; %d events came behind the arrival frontier", r.absence.expected, r.absence.found, r.absence.missing, r.absence.surplus, r.absence.different, r.absence.late)
	}
	for _, m := range modules("github.com/twmb/franz-go", "github.com/cockroachdb/pebble/v2", "github.com/Shopify/toxiproxy/v2") {
		p("- %s", m)
	}
	if r.err != nil {
		p("- the run itself: %v", r.err)
	}
	if r.verify != nil {
		p("\n```")
		r.verify.Print(w)
		p("```")
	}
	if r.absence != nil {
		for _, d := range r.absence.details {
			p("- %s", d)
		}
	}
	for _, c := range r.crashes {
		p("- a process ended by itself: %s", c)
	}
	reportFaults(p, kinds, r.began, r.struck, "every stage has committed all that had come in by then")
}

// reportFaults writes the tables of the faults.
func reportFaults(p func(format string, args ...any), kinds []kind, began time.Time, all []struck, recovery string) {
	p("\n## Faults by kind\n")
	reportKinds(p, kinds, all)
	p("\nRecovery counts from when a fault's cause is gone until %s, with other faults going on.\n", recovery)
	p("## Faults\n")
	p("| # | At | Kind | Target | Held | Recovered | Counted | Because |")
	p("|---:|---:|---|---|---:|---:|---|---|")
	slices.SortFunc(all, func(a, b struck) int { return cmp.Compare(a.Number, b.Number) })
	for _, s := range all {
		because := s.why
		if s.err != nil {
			because += ": " + s.err.Error()
		}
		p("| %d | %.1f s | %s | %s | %.1f s | %.1f s | %t | %s |", s.Number, s.at.Sub(began).Seconds(), s.Kind, s.target(),
			s.held.Seconds(), s.recovered.Seconds(), s.counted, strings.ReplaceAll(because, "\n", " "))
	}
}

// reportKinds writes the table of the faults by kind.
func reportKinds(p func(format string, args ...any), kinds []kind, all []struck) {
	p("| Kind | Struck | Counted | Longest recovery |")
	p("|---|---:|---:|---:|")
	for _, k := range kinds {
		n, counted, longest := 0, 0, time.Duration(0)
		for _, s := range all {
			if s.Kind == k.name {
				n++
				longest = max(longest, s.recovered)
				if s.counted {
					counted++
				}
			}
		}
		p("| %s | %d | %d | %.1f s |", k.name, n, counted, longest.Seconds())
	}
}

// modules gives the versions that this was built with.
func modules(paths ...string) (found []string) {
	info, _ := debug.ReadBuildInfo()
	if info == nil {
		return nil
	}
	for _, d := range info.Deps {
		if slices.Contains(paths, d.Path) {
			found = append(found, d.Path+" "+d.Version)
		}
	}
	return found
}
