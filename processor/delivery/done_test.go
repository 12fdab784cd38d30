package delivery

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/schemas"
)

// derived hands over a trigger as it is written by a generation at a time.
func (b *bench) derived(tr *schemas.Trigger, written time.Time) {
	b.t.Helper()
	rec := &kgo.Record{Topic: schemas.TopicTriggers, Key: tr.RecipientID[:], Timestamp: written, Value: serde.Append(nil, schemas.TopicTriggers, tr)}
	if err := b.Process(rec); err != nil {
		b.t.Fatal(err)
	}
	b.commit()
}

// settle waits for n more results and has them written.
func (b *bench) settle(n int, now time.Time) {
	b.t.Helper()
	for range n {
		<-b.wake
	}
	b.tick(now)
	b.commit()
}

// A trigger that another generation derives again has the same id: whatever
// became of its callback is not done again.
func TestDerivedAgain(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name   string
		status int
	}{{"succeeded", 200}, {"refused", 400}, {"gone", 410}, {"retrying", 503}} {
		t.Run(tt.name, func(t *testing.T) {
			shop := newShop(t, status(tt.status))
			b := newBench(t, func(c *Config) { c.Now = func() time.Time { return now } }, shop.endpoint("shop"))
			b.derived(trigger(1, "shop"), now)
			b.settle(1, now)
			attempts := len(b.Out)
			b.derived(trigger(1, "shop"), now)
			b.tick(now)
			b.commit()
			if shop.calls() != 1 || len(b.Out) != attempts {
				t.Errorf("%d calls, %d records, want 1 and %d", shop.calls(), len(b.Out), attempts)
			}
		})
	}
	t.Run("no endpoint", func(t *testing.T) {
		b := newBench(t, func(c *Config) { c.Now = func() time.Time { return now } })
		b.derived(trigger(1, "none"), now)
		b.derived(trigger(1, "none"), now)
		if len(b.Out) != 1 {
			t.Errorf("%d failures are recorded, want 1", len(b.Out))
		}
	})
}

// Only what came into being by deriving again, long after its evidence, calls
// nobody. A trigger that is merely delivered late is called.
func TestOutdated(t *testing.T) {
	arrived := trigger(1, "shop").ArrivedAt.Time()
	rebuilt := arrived.Add(90 * time.Hour)
	for _, tt := range []struct {
		name    string
		rebuilt time.Time
		written time.Time
		now     time.Time
		called  bool
	}{
		{"first generation, stage was down", time.Time{}, arrived.Add(80 * time.Hour), arrived.Add(80 * time.Hour), true},
		{"derived again in time", rebuilt, arrived.Add(47 * time.Hour), arrived.Add(91 * time.Hour), true},
		{"derived again too late", rebuilt, arrived.Add(49 * time.Hour), arrived.Add(91 * time.Hour), false},
		{"after the switch, stage was down", rebuilt, rebuilt.Add(time.Second), arrived.Add(91 * time.Hour), true},
		{"in time, but longer ago than the ledger reaches", rebuilt, arrived, arrived.Add(doneRetention + time.Hour), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			shop := newShop(t, nil)
			b := newBench(t, func(c *Config) {
				c.Now = func() time.Time { return tt.now }
				c.Rebuilt = tt.rebuilt
				c.MaxAge = func(string) time.Duration { return 48 * time.Hour }
			}, shop.endpoint("shop"))
			b.derived(trigger(1, "shop"), tt.written)
			if tt.called {
				b.settle(1, tt.now)
			}
			if called := shop.calls() == 1; called != tt.called {
				t.Errorf("called: %v, want %v", called, tt.called)
			}
		})
	}
}

// The ledger forgets what is older than it must know, some at a time.
func TestLedgerForgets(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	b := newBench(t, func(c *Config) { c.Now = func() time.Time { return now } })
	const n = sweepStep + 40
	for i := range n {
		b.derived(trigger(i, "none"), now)
	}
	known := func() int { return len(b.State(StoreDone)) }
	b.tick(now)
	b.commit()
	if known() != n {
		t.Fatalf("%d of %d are known", known(), n)
	}
	later := now.Add(doneRetention)
	for range 3 { // the first is the end of the sweep before
		later = later.Add(2 * sweepPause)
		b.tick(later)
		b.commit()
	}
	if known() != 0 {
		t.Errorf("%d are still known", known())
	}
}
