package main

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"time"
)

func TestDistribution(t *testing.T) {
	var v []float64
	for i := range 100 {
		v = append(v, float64(100-i))
	}
	if d := distributionOf(v); d != (distribution{N: 100, P50: 50, P95: 95, P99: 99, Max: 100}) {
		t.Errorf("%+v", d)
	}
	if d := distributionOf([]float64{7}); d.P50 != 7 || d.P99 != 7 {
		t.Errorf("%+v", d)
	}
	if d := distributionOf(nil); d.N != 0 || !math.IsNaN(d.P95) {
		t.Errorf("%+v: unknown is never 0", d)
	}
}

func made(events int64, overview float64) *measured {
	one := func(page, path string, p95 float64) *answer {
		return &answer{endpoint: endpoint{page, path}, times: distribution{N: 10, P50: p95 / 2, P95: p95, Max: p95 * 2}}
	}
	return &measured{
		Events:   events,
		manifest: &manifest{Load: loadSpec{Events: 1000, Tail: 10, Days: 60}, Records: map[string]int64{"posthorn.events": 5}},
		storage:  &storage{Events: 1000, IDs: 32, Rest: 40, Total: 72, Columns: []columnSize{{"event_id", "NONE", 16}}},
		catchUp: &caughtUp{Events: 600_000, Records: 7, Seconds: 10, CPU: 12, Rows: map[string]int64{"events": 600_000},
			Finished: map[string]float64{"events": 10}},
		freshness: &freshness{All: distribution{N: 5, P99: 4.9}, Tables: map[string]distribution{"events": {N: 5, P99: 2}}},
		overview:  &answer{times: distribution{N: 10, P95: overview}},
		answers: []*answer{
			one("campaign", "/a", 20), one("campaign", "/b", 151), one("compare", "/c", 90),
			{endpoint: endpoint{"compare", "/d"}, times: distributionOf(nil), status: 404},
		},
	}
}

func TestResults(t *testing.T) {
	got := map[string]result{}
	for _, r := range results(made(1000, 49)) {
		got[r.name] = r
	}
	for name, want := range map[string]struct {
		value string
		met   bool
	}{
		"overview": {"49.0", true}, "slowest_page_query": {"151", false}, "sink_events_per_s": {"60000", true},
		"sink_events_per_cpu_s": {"50000", true}, "sink_freshness_p99": {"4.90", true},
		"storage_per_event_ids": {"32.0", true}, "storage_per_event_rest": {"40.0", false}, "storage_per_event": {"72.0", false},
	} {
		if r := got[name]; r.value != want.value || r.met != want.met {
			t.Errorf("%s is %s, met %t; want %s, %t", name, r.value, r.met, want.value, want.met)
		}
	}
}

func TestReport(t *testing.T) {
	all := []*measured{made(2_000_000, 30), made(60_000_000, math.NaN()), made(20_000_000, 45)}
	var text strings.Builder
	writeReport(&text, options{kafka: "apache", freshness: time.Minute}, all, "x.svg")
	for _, want := range []string{"| overview | 45.0 | ms | < 50.0 | yes |", "| campaign | `/b` | 151 |", "`/d` | status 404 |", "x.svg", "unknown"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, text.String())
		}
	}
	if strings.Contains(text.String(), "NaN") {
		t.Error("the report says NaN")
	}
}

func TestPlotIsXML(t *testing.T) {
	plot := growthPlot([]*measured{made(2_000_000, 30), made(20_000_000, math.NaN())})
	if strings.Contains(plot, "NaN") {
		t.Error("the plot says NaN")
	}
	for d := xml.NewDecoder(strings.NewReader(plot)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// Every request is complete, and campaigns are asked for by their size.
func TestFiller(t *testing.T) {
	f := newFiller(1, &manifest{Load: loadSpec{Seed: 1, Events: 100_000, Tail: 1000, Days: 60}, Origin: origin})
	asked := map[string]int{}
	for range 2000 {
		asked[f.campaign()]++
	}
	most := ""
	for id, n := range asked {
		if most == "" || n > asked[most] {
			most = id
		}
	}
	if most != f.largest() || len(asked) < 100 {
		t.Errorf("%d campaigns were asked for, mostly %s; the largest is %s", len(asked), most, f.largest())
	}
	for _, e := range endpoints() {
		if path := f.fill(e.path); strings.ContainsAny(path, "{}") {
			t.Errorf("%s: %s", e.page, path)
		}
	}
}
