package analytics

import (
	"testing"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

// What has piled up is read into full batches, however short a batch waits for
// more; what comes one by one is not held up by that.
func TestBatchesAreFullWhenBehindAndQuickWhenNot(t *testing.T) {
	const partitions, piled, full = 3, 250_000, 100_000
	kcfg := cluster(t, partitions)
	p := producer(t, kcfg)
	for n := 0; n < piled; n += 5_000 { // a request has a limit
		produceEvents(t, p, n, n+5_000, partitions)
	}
	r, err := newReader(kcfg, schemas.TopicEvents, map[int32]int64{0: 0, 1: 0, 2: 0})
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	lim := limits{rows: full, bytes: 1 << 30, linger: time.Nanosecond}
	for batch := range piled / full {
		b, err := r.nextBatch(t.Context(), lim, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if b.rows != full {
			t.Errorf("batch %d has %d rows, want %d", batch, b.rows, full)
		}
	}
	rest := 0
	for rest < piled%full {
		b, err := r.nextBatch(t.Context(), lim, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		rest += b.rows
	}
	if n := r.behind(); n != 0 {
		t.Errorf("%d behind at the end", n)
	}
	produceEvents(t, p, piled, piled+5, partitions)
	began := time.Now()
	if b, err := r.nextBatch(t.Context(), lim, time.Minute); err != nil || b.rows == 0 {
		t.Errorf("%d rows: %v", b.rows, err)
	}
	if took := time.Since(began); took > catchUp/2 {
		t.Errorf("a live batch took %v", took)
	}
}
