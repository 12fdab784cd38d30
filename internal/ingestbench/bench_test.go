package main

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"
)

// TestMain lets this binary be a server or a broker.
func TestMain(m *testing.M) {
	if role := os.Getenv(childEnv); role != "" {
		exit(child(context.Background(), role))
	}
	os.Exit(m.Run())
}

// TestEveryVariantStoresWhatItAcknowledges runs all that is measured, briefly: it
// fails where an answer is not 200 or the broker lacks what was acknowledged.
func TestEveryVariantStoresWhatItAcknowledges(t *testing.T) {
	o := full
	o.brokers, o.warmUp, o.rounds, o.closed, o.open = "embedded", time.Millisecond, 1, 20*time.Millisecond, 50*time.Millisecond
	all, err := measure(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		for v, c := range r.cells {
			if c.rate() <= 0 || c.saturated[0].perCPUSecond <= 0 || c.saturated[0].p99 <= 0 {
				t.Errorf("%s, %s: %+v", r.load, v, c.saturated)
			}
		}
	}
	var out strings.Builder
	all.print(&out)
	for _, name := range []string{"ingest_1event_64_vs_floor", "ingest_1event_256_vs_floor", "ingest_100events_64_vs_floor", "ingest_p99_vs_floor"} {
		if !strings.Contains(out.String(), "RESULT "+name+" ") {
			t.Errorf("no result %s in\n%s", name, &out)
		}
	}
}

// TestPaceCountsTheWait has a server that stalls: what was due meanwhile has
// waited, though it was posted later.
func TestPaceCountsTheWait(t *testing.T) {
	const stall = 200 * time.Millisecond
	addr := stallingServer(t, stall)
	conns, err := dialAll(addr, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer conns.close()
	reqs, err := newRequests(load{1, 1, basic})
	if err != nil {
		t.Fatal(err)
	}
	d, err := conns.pace(t.Context(), reqs, 1000, stall)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(d.latencies); n != 200 {
		t.Fatalf("%d requests, want 200", n)
	}
	// The first stalled, and the others came due one after the other meanwhile.
	if got := d.percentile(50); got < stall/4 {
		t.Errorf("p50 %s: the wait was left out", got)
	}
}
