package e2e

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/generation"
	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/internal/simulate"
	"github.com/posthorn/posthorn/internal/testkafka"
	"github.com/posthorn/posthorn/schemas"
)

// damage doubles an event, and a window's counts go back to what they were at
// first: what no restart would mend.
func damage(t *testing.T, brokers []string) {
	t.Helper()
	live, err := generation.Read(t.Context(), kafka.Config{Brokers: brokers})
	if err != nil {
		t.Fatal(err)
	}
	events, statistics := live.Generation.Topic(schemas.TopicEvents), live.Generation.Topic(schemas.TopicStatistics)
	cl, err := kafka.NewConsumer(kafka.Config{Brokers: brokers}, kgo.ConsumeTopics(events, statistics))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	p, err := kafka.NewProducer(kafka.Config{Brokers: brokers}, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	double := func(rec *kgo.Record) {
		copied := &kgo.Record{Topic: rec.Topic, Partition: rec.Partition, Key: rec.Key, Value: rec.Value}
		if err := p.ProduceSync(t.Context(), copied).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	// An event twice; and of a window that has changed, what it was at first.
	first := map[string]*kgo.Record{}
	for need := map[string]bool{events: true, statistics: true}; len(need) > 0; {
		fetches := cl.PollFetches(t.Context())
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(rec *kgo.Record) {
			if !need[rec.Topic] {
				return
			}
			key := rec.Topic + string(rec.Key)
			before := first[key]
			if before == nil {
				first[key] = rec
			}
			if rec.Topic == events || before != nil && countsMore(t, before, rec) {
				delete(need, rec.Topic)
				double(first[key])
			}
		})
	}
}

// countsMore tells whether the later snapshot of a window has other counts.
func countsMore(t *testing.T, before, after *kgo.Record) bool {
	t.Helper()
	counters := func(rec *kgo.Record) schemas.Counters {
		var s schemas.CampaignStatistics
		if err := s.DecodeAvro(rec.Value[5:]); err != nil { // behind the schema's id
			t.Fatal(err)
		}
		return s.Counters
	}
	return counters(before) != counters(after)
}

// TestRebuild damages what is derived, derives it again beside live traffic, and
// wants every number right and nobody called twice.
func TestRebuild(t *testing.T) {
	if testing.Short() {
		t.Skip("takes minutes")
	}
	a := startUp(t)
	first := a.posted(1, 20_000)
	a.allCalled(first)
	damage(t, a.brokers)
	if out, err := run(t, time.Minute, "verify", "--config", a.config, "--quiet"); err == nil {
		t.Fatalf("the damage is not found:\n%s", out)
	}

	// One rebuild is killed on its way, one stops before the switch: nothing
	// that is live has changed.
	killed := start(t, "rebuild", "rebuild", "--config", a.config, "--quiet")
	eventually(t, time.Minute, "waiting for a rebuild to begin", func() error {
		n, err := generation.Members(t.Context(), a.admin, 2)
		if err == nil && n == 0 {
			err = errors.New("nobody derives generation 2")
		}
		return err
	})
	killed.kill()
	during := make(chan *simulate.Truth, 1)
	go func() {
		truth, err := a.campaign(t.Context(), 2, 30_000, 700)
		if err != nil {
			t.Errorf("posting: %v", err)
		}
		during <- truth
	}()
	a.rebuild("Nothing was switched, as told", "--no-switch")
	if live := a.live(); live != 1 {
		t.Fatalf("generation %d is live before the switch", live)
	}
	out := a.rebuild("Generation 3 is live", "--resume")
	t.Logf("posthorn rebuild --resume:\n%s", out)
	if len(during) > 0 {
		t.Log("the traffic ended before the rebuild")
	}
	second := <-during
	a.exact(first, second)

	// The new generation goes on, over a restart too.
	third := a.posted(3, 5_000)
	a.exact(first, second, third)
	if out, err := run(t, time.Minute, "rebuild", "--drop", "--config", a.config); err != nil || !strings.Contains(out, "generation 1 is gone") {
		t.Errorf("posthorn rebuild --drop: %v\n%s", err, out)
	}
	a.up.stop()
	a.up.launch()
	a.ready(time.Minute)
	fourth := a.posted(4, 5_000)
	a.exact(first, second, third, fourth)

	// What is not retained can't be derived again, and that is not passed over.
	oldest := kadm.Offsets{}
	oldest.AddOffset(schemas.TopicWebhooks, 0, 10, -1)
	if _, err := a.admin.DeleteRecords(t.Context(), oldest); err != nil {
		t.Fatal(err)
	}
	if out, err := run(t, time.Minute, "rebuild", "--config", a.config, "--quiet"); err == nil || !strings.Contains(out, "no longer retained") {
		t.Errorf("posthorn rebuild without the oldest webhooks: %v\n%s", err, out)
	}
	a.rebuild("lacks what only they told", "--lose-history")
	if live := a.live(); live != 4 {
		t.Errorf("generation %d is live, want 4", live)
	}
	if out, err := run(t, time.Minute, "verify", "--config", a.config, "--quiet"); err != nil {
		t.Errorf("posthorn verify: %v\n%s", err, out)
	}
	if s := a.shop.Stats(); s.Duplicates > 0 {
		t.Errorf("%d callbacks were made again: %+v", s.Duplicates, s)
	}
}

// posted posts a campaign as fast as it goes.
func (a *allInOne) posted(seed uint64, events int) *simulate.Truth {
	a.t.Helper()
	truth, err := a.campaign(a.t.Context(), seed, events, 0)
	if err != nil {
		a.t.Fatal(err)
	}
	return truth
}

// rebuild runs a rebuild that must say something.
func (a *allInOne) rebuild(want string, args ...string) string {
	a.t.Helper()
	out, err := run(a.t, 3*time.Minute, append([]string{"rebuild", "--config", a.config, "--quiet"}, args...)...)
	if err != nil || !strings.Contains(out, want) {
		a.t.Fatalf("posthorn rebuild %v: %v\n%s", args, err, out)
	}
	return out
}

func (a *allInOne) live() schemas.Generation {
	a.t.Helper()
	live, err := generation.Read(a.t.Context(), kafka.Config{Brokers: a.brokers})
	if err != nil {
		a.t.Fatal(err)
	}
	return live.Generation
}

// TestRebuildServices does it on an Apache Kafka, with gateway, sink and two
// processors in processes of their own, which move over by themselves.
func TestRebuildServices(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	brokers := testkafka.Start(t, testkafka.Options{}).Brokers()
	c := &crash{services: startServices(t, brokers)}
	state := t.TempDir()
	second := start(t, "processor-2", "processor", "--config", c.config, "--metrics", address(t), "--instance", "e2e-1", "--data", state)
	p := c.post(7)
	// Work for all: some of it is done when the damage comes.
	c.wait(time.Minute, "for triggers", func() bool { return c.shop.Stats().Unique > 1000 })
	before := c.recorded()
	again := c.repeatedSoFar()
	damage(t, brokers)
	out, err := run(t, 4*time.Minute, "rebuild", "--config", c.config, "--quiet")
	if err != nil || !strings.Contains(out, "Generation 2 is live") {
		t.Fatalf("posthorn rebuild: %v\n%s", err, out)
	}
	t.Logf("posthorn rebuild:\n%s", out)
	c.check(p.end())
	for _, process := range []*process{c.processor, second, c.sink} {
		if !strings.Contains(string(process.output()), "moving over") {
			t.Errorf("%s did not move over", process.name)
		}
	}
	// One whose result was not recorded yet while the two processors shared the
	// partitions anew may be made again, but none that was.
	after := c.repeatedSoFar()
	for _, id := range before {
		if after[id] && !again[id] {
			t.Errorf("callback %s was made again", id)
		}
	}
	if out, err := run(t, time.Minute, "rebuild", "--drop", "--config", c.config); err != nil || !strings.Contains(out, "generation 1 is gone") {
		t.Errorf("posthorn rebuild --drop: %v\n%s", err, out)
	}
}

// recorded waits for some results of callbacks in ClickHouse, and returns their ids.
func (c *crash) recorded() (ids []string) {
	c.wait(time.Minute, "for recorded callbacks", func() bool {
		rows, err := c.conn.Query(c.t.Context(), "SELECT DISTINCT toString(trigger_id) FROM deliveries WHERE status = 'succeeded'")
		if err != nil {
			c.t.Fatal(err)
		}
		defer rows.Close()
		ids = ids[:0]
		for rows.Next() {
			var id string
			if err := rows.Scan(&id); err != nil {
				c.t.Fatal(err)
			}
			ids = append(ids, id)
		}
		if err := rows.Err(); err != nil {
			c.t.Fatal(err)
		}
		return len(ids) > 500
	})
	return ids
}
