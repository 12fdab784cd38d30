package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// What is aimed at, with 20 million events on 2 cores.
const (
	aimOverview  = 50.0     // ms, p95
	aimQuery     = 150.0    // ms, p95
	aimSink      = 60_000.0 // events/s
	aimFreshness = 5.0      // s, p99
	aimIDs       = 33.0     // bytes an event
	aimRest      = 30.0     // bytes an event
)

// report prints what was measured, writes it to a file where one is wanted, and
// ends with the results.
func report(o options, all []*measured) error {
	last := all[len(all)-1]
	var text strings.Builder
	writeReport(&text, o, all, strings.TrimSuffix(filepath.Base(o.report), ".md")+".svg")
	fmt.Print("\n" + text.String() + "\n")
	if o.report != "" {
		if err := os.MkdirAll(filepath.Dir(o.report), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(o.report, []byte(text.String()), 0o644); err != nil {
			return err
		}
		if err := os.WriteFile(strings.TrimSuffix(o.report, ".md")+".svg", []byte(growthPlot(all)), 0o644); err != nil {
			return err
		}
	}
	for _, r := range results(last) {
		fmt.Printf("RESULT %s %s %s\n", r.name, r.value, r.unit)
	}
	return nil
}

type result struct {
	name, value, unit string
	aim               string
	met               bool
}

func results(m *measured) []result {
	var list []result
	if m.overview != nil {
		list = append(list, number("overview", m.overview.times.P95, "ms", "<", aimOverview))
	}
	if slow := slowest(m.answers); len(slow) > 0 {
		list = append(list, number("slowest_page_query", slow[0].times.P95, "ms", "<", aimQuery))
	}
	if m.catchUp != nil {
		list = append(list,
			number("sink_events_per_s", m.catchUp.perSecond(), "events/s", ">=", aimSink),
			number("sink_events_per_cpu_s", m.catchUp.perCPUSecond(), "events/cpu-s", "", 0))
	}
	if m.freshness != nil {
		list = append(list, number("sink_freshness_p99", m.freshness.All.P99, "s", "<", aimFreshness))
	}
	return append(list,
		number("storage_per_event_ids", m.storage.IDs, "bytes", "<=", aimIDs),
		number("storage_per_event_rest", m.storage.Rest, "bytes", "<=", aimRest),
		number("storage_per_event", m.storage.Total, "bytes", "<=", aimIDs+aimRest),
	)
}

func number(name string, value float64, unit, than string, aim float64) result {
	r := result{name: name, value: figure(value), unit: unit}
	switch than {
	case "<":
		r.met = value < aim
	case "<=":
		r.met = value <= aim
	case ">=":
		r.met = value >= aim
	default:
		r.met, r.aim = true, "-"
		return r
	}
	r.aim = than + " " + figure(aim)
	return r
}

// figure writes three digits that count.
func figure(v float64) string {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return "unknown"
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

func writeReport(w io.Writer, o options, all []*measured, plot string) {
	last := all[len(all)-1]
	fmt.Fprintf(w, "# Analytics, measured %s\n\n", time.Now().UTC().Format(time.DateOnly))
	fmt.Fprintf(w, "`make bench-analytics`: %d cores, %s, %s. Engine, sink and API are one process; the Kafka (%s) and the clients are others on the same cores. Load average when the phases began: %s.\n\n",
		runtime.NumCPU(), cpuModel(), runtime.Version(), o.kafka, strings.Join(last.loads, ", "))
	fmt.Fprintf(w, "%s\n\n", dataOf(last))
	fmt.Fprintln(w, "| result | value | unit | aim | met |\n|---|---:|---|---|---|")
	for _, r := range results(last) {
		fmt.Fprintf(w, "| %s | %s | %s | %s | %s |\n", r.name, r.value, r.unit, r.aim, map[bool]string{true: "yes", false: "**no**"}[r.met])
	}
	writeQueries(w, last)
	if last.catchUp != nil {
		writeCatchUp(w, last.catchUp)
	}
	if last.freshness != nil {
		writeFreshness(w, o, last)
	}
	writeStorage(w, last)
	if len(all) > 1 && last.overview != nil && last.catchUp != nil {
		writeGrowth(w, all, plot)
	}
}

func dataOf(m *measured) string {
	l := m.manifest
	return fmt.Sprintf("%s events of %s messages over %.0f days, %d campaigns by Zipf, %s recipients at %d domains; seed %d. Made, derived and loaded in %s with %.0f s of CPU: %s records.",
		short(float64(l.Load.Events)), short(float64(l.Messages)), l.Load.Days, campaignCount,
		short(float64(newWorld(l.Load.Seed, worldEvents(l.Load), worldDays(l.Load)).people)), domainCount, l.Load.Seed, l.Took.Round(time.Second), l.CPU, recordsText(l.Records))
}

func recordsText(records map[string]int64) string {
	var parts []string
	for _, topic := range slices.Sorted(maps.Keys(records)) {
		parts = append(parts, fmt.Sprintf("%s %s", strings.TrimPrefix(topic, "posthorn."), short(float64(records[topic]))))
	}
	return strings.Join(parts, ", ")
}

func writeQueries(w io.Writer, m *measured) {
	fmt.Fprintf(w, "\n## Queries\n\n%d clients, over HTTP, while %s events a second arrive and are taken in; campaigns drawn by Zipf. ClickHouse's caches of queries and of query conditions are off; its marks, the pages of the files and what the API itself keeps of all recipients and providers are warm. Alone: the request for the largest campaign by itself; CPU is the engine's; queries, rows, marks, parts and MB are what it reads then; first: the first such request, with what is then kept.\n\n",
		clients, short(m.liveRate))
	if m.overview == nil {
		writeCosts(w, m)
		return
	}
	fmt.Fprintf(w, "Campaign overviews: %d, p50 %s, p95 %s, p99 %s, at most %s ms.\n\n", m.overview.times.N, figure(m.overview.times.P50), figure(m.overview.times.P95), figure(m.overview.times.P99), figure(m.overview.times.Max))
	fmt.Fprintln(w, "| page | its slowest request | p95 ms |\n|---|---|---:|")
	for _, x := range slowest(m.answers) {
		fmt.Fprintf(w, "| %s | `%s` | %s |\n", x.page, x.path, figure(x.times.P95))
	}
	writeCosts(w, m)
}

func writeCosts(w io.Writer, m *measured) {
	fmt.Fprintln(w, "\n| page | request | n | p50 ms | p95 ms | max ms | first ms | first rows | alone ms | CPU ms | queries | rows read | marks | parts | MB read | answer kB |\n|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
	list := slices.SortedFunc(slices.Values(m.answers), func(a, b *answer) int {
		return cmp.Or(cmp.Compare(a.page, b.page), cmp.Compare(b.times.P95, a.times.P95))
	})
	for _, x := range list {
		if x.status != 0 && x.times.N == 0 {
			fmt.Fprintf(w, "| %s | `%s` | status %d |\n", x.page, x.path, x.status)
			continue
		}
		failed := ""
		if x.failed > 0 {
			failed = fmt.Sprintf(" (%d failed, status %d)", x.failed, x.status)
		}
		c := x.cost
		fmt.Fprintf(w, "| %s | `%s`%s | %d | %s | %s | %s | %s | %s | %s | %s | %d | %s | %d | %d | %s | %d |\n", x.page, x.path, failed, x.times.N, figure(x.times.P50), figure(x.times.P95), figure(x.times.Max),
			figure(x.first.ms), short(float64(x.first.Rows)), figure(c.ms), figure(float64(c.CPU)/1000), c.Queries, short(float64(c.Rows)), c.Marks, c.Parts, figure(float64(c.Bytes)/1e6), (x.bytes+1023)/1024)
	}
}

func writeCatchUp(w io.Writer, c *caughtUp) {
	fmt.Fprintf(w, "\n## The sink behind\n\n%s events with all that is derived from them, %s records, as live stages wrote them (a transaction each 100 ms of 10,000 events/s), taken in %s s with %s s of CPU, engine and merges included (%s busy).\n\n",
		short(float64(c.Events)), short(float64(c.Records)), figure(c.Seconds), figure(c.CPU), fmt.Sprintf("%.0f %% of two cores", 100*c.CPU/c.Seconds/2))
	fmt.Fprintln(w, "| table | rows inserted | rows an event | done after s |\n|---|---:|---:|---:|")
	for _, table := range slices.Sorted(maps.Keys(c.Rows)) {
		if c.Rows[table] > 0 {
			fmt.Fprintf(w, "| %s | %s | %s | %s |\n", table, short(float64(c.Rows[table])), figure(float64(c.Rows[table])/float64(c.Events)), figure(c.Finished[table]))
		}
	}
}

func writeFreshness(w io.Writer, o options, m *measured) {
	f := m.freshness
	fmt.Fprintf(w, "\n## Freshness\n\nAt %s events/s: from the call that produces a record to the answer of a query that shows it, over %s; looked at about every 50 ms.\n\n", short(f.Rate), o.freshness)
	fmt.Fprintln(w, "| table | probes | p50 s | p95 s | p99 s | max s |\n|---|---:|---:|---:|---:|---:|")
	row := func(name string, d distribution) {
		fmt.Fprintf(w, "| %s | %d | %s | %s | %s | %s |\n", name, d.N, figure(d.P50), figure(d.P95), figure(d.P99), figure(d.Max))
	}
	for _, table := range slices.Sorted(maps.Keys(f.Tables)) {
		row(table, f.Tables[table])
	}
	row("all of them", f.All)
	fmt.Fprintf(w, "\nThe process had %s MB in memory at most.\n", short(float64(m.memory)/1e6))
}

func writeStorage(w io.Writer, m *measured) {
	s := m.storage
	fmt.Fprintf(w, "\n## Storage\n\nAs loaded, before anything is measured; marks and indexes included.\n\n| table | rows | parts | MB | bytes an event |\n|---|---:|---:|---:|---:|\n")
	sum := 0.0
	for _, t := range s.Tables {
		sum += t.Bytes
		fmt.Fprintf(w, "| %s | %s | %d | %s | %s |\n", t.Name, short(float64(t.Rows)), t.Parts, figure(t.Bytes/1e6), figure(t.Bytes/s.Events))
	}
	fmt.Fprintf(w, "| all | | | %s | %s |\n", figure(sum/1e6), figure(sum/s.Events))
	fmt.Fprintf(w, "\nThe table of events: %s bytes an event, %s of them the ids.\n\n| column | bytes an event | codec |\n|---|---:|---|\n", figure(s.Total), figure(s.IDs))
	other := s.Total
	for _, c := range s.Columns {
		other -= c.PerEvent
		if c.PerEvent >= .005 {
			fmt.Fprintf(w, "| %s | %.2f | %s |\n", c.Name, c.PerEvent, c.Codec)
		}
	}
	fmt.Fprintf(w, "| indexes, checksums and the like | %.2f | |\n", other)
}

func writeGrowth(w io.Writer, all []*measured, plot string) {
	fmt.Fprintf(w, "\n## Growth\n\n![p95 of requests by the number of events](%s)\n\n| events | overview p95 ms | slowest page query p95 ms | sink events/s | freshness p99 s | bytes an event | parts of a table at most |\n|---:|---:|---:|---:|---:|---:|---:|\n", plot)
	for _, m := range all {
		slow := math.NaN()
		if list := slowest(m.answers); len(list) > 0 {
			slow = list[0].times.P95
		}
		fmt.Fprintf(w, "| %s | %s | %s | %s | %s | %s | %d |\n", short(float64(m.Events)), figure(m.overview.times.P95), figure(slow), figure(m.catchUp.perSecond()), figure(m.freshness.All.P99), figure(m.storage.Total), m.storage.MaxParts)
	}
	fmt.Fprintf(w, "\n```\n%s```\n", textPlot(all))
}

func cpuModel() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown CPU"
	}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown CPU"
}
