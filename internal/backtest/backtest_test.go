package backtest_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/backtest"
	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/internal/rehearsal"
	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

var update = flag.Bool("update", false, "write the golden files anew")

const partitions = 3

var (
	serde = schemas.NewLocalSerde()
	base  = schemas.FromTime(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC))
)

func at(d time.Duration) schemas.Timestamp { return base + schemas.Timestamp(d.Microseconds()) }

func mustRules(t testing.TB, text string) *trigger.Set {
	t.Helper()
	set, err := trigger.Parse("rules.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// log is a Kafka in memory with events and triggers.
type log struct {
	testing.TB
	kafka kafka.Config
	cl    *kgo.Client
	adm   *kadm.Client
}

func newLog(t testing.TB) *log {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	l := &log{TB: t, kafka: kafka.Config{Brokers: cluster.ListenAddrs()}}
	if l.cl, err = kgo.NewClient(kgo.SeedBrokers(l.kafka.Brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.cl.Close)
	l.adm = kadm.NewClient(l.cl)
	if _, err := l.adm.CreateTopics(context.Background(), partitions, 1, nil, schemas.TopicEvents, schemas.TopicTriggers); err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *log) produce(topic string, id schemas.ID, written schemas.Timestamp, value []byte) {
	l.Helper()
	rec := &kgo.Record{Topic: topic, Partition: int32(id[0]) % partitions, Key: id[:], Value: value, Timestamp: written.Time()}
	if err := l.cl.ProduceSync(context.Background(), rec).FirstErr(); err != nil {
		l.Fatal(err)
	}
}

// events writes events as the engagement stage does, a moment after each arrived.
func (l *log) events(list []schemas.Event) {
	l.Helper()
	for i := range list {
		e := &list[i]
		l.produce(schemas.TopicEvents, e.RecipientID, e.ArrivedAt+100_000, serde.Append(nil, schemas.TopicEvents, e))
	}
}

func (l *log) triggers(list ...schemas.Trigger) {
	l.Helper()
	for i := range list {
		x := &list[i]
		l.produce(schemas.TopicTriggers, x.RecipientID, x.ArrivedAt+200_000, serde.Append(nil, schemas.TopicTriggers, x))
	}
}

func (l *log) run(c backtest.Config) *backtest.Report {
	l.Helper()
	c.Kafka, c.Serde, c.Dir = l.kafka, serde, l.TempDir()
	report, err := backtest.Run(l.Context(), c)
	if err != nil {
		l.Fatal(err)
	}
	if left, err := filepath.Glob(filepath.Join(c.Dir, "*")); err != nil || len(left) > 0 {
		l.Errorf("left behind: %v, %v", left, err)
	}
	return report
}

func event(n int, kind schemas.EventType, recipient, campaign string, arrived time.Duration) schemas.Event {
	e := schemas.Event{
		Tenant: "default", Account: "main", Source: "s", Provider: "native", Type: kind, CampaignID: campaign,
		Recipient: recipient, RecipientID: schemas.RecipientID([]byte("secret"), recipient), MessageID: "m of " + recipient + campaign,
		OccurredAt: at(arrived), ArrivedAt: at(arrived), ReceivedAt: at(arrived),
	}
	binary.BigEndian.PutUint64(e.EventID[8:], uint64(n))
	return e
}

const allKinds = `
rules:
  - {name: within, within: {event: opened, of: send, duration: 6h}, once_per: recipient, cooldown: 12h}
  - {name: absent, absence: {event: opened, of: send, duration: 3h}, once_per: message}
  - {name: steps, sequence: {events: [send, opened, clicked], duration: 5h}, once_per: campaign}
  - {name: often, count: {event: clicked, times: 2, duration: 1h, per: recipient}}
  - {name: bounces, rate: {event: bounced, of: [delivered, bounced], above: 20%, clear_below: 10%, duration: 1h, every: 5m, minimum: 3}}
  - {name: complaints, count: {event: complained, times: 3, duration: 2h, per: campaign, every: 10m}, mode: shadow}
`

func drawEvents(n int) []schemas.Event {
	draw := rand.New(rand.NewPCG(7, 7))
	types := []schemas.EventType{schemas.EventTypeDelivered, schemas.EventTypeDelivered, schemas.EventTypeOpened, schemas.EventTypeClicked, schemas.EventTypeBounced, schemas.EventTypeComplained}
	var list []schemas.Event
	for i := range n {
		e := event(i+1, types[draw.IntN(len(types))], fmt.Sprintf("r%d@example.org", draw.IntN(60)), fmt.Sprintf("c%d", draw.IntN(3)), time.Duration(i)*time.Minute)
		e.OccurredAt -= schemas.Timestamp(draw.IntN(600)) * 1_000_000
		list = append(list, e)
	}
	return list
}

// Bucket by bucket, over partitions, the same fires as in one go.
func TestSpillingChangesNothing(t *testing.T) {
	rules := mustRules(t, allKinds)
	events := drawEvents(1500)
	want := map[string]bool{}
	end := 26 * time.Hour
	err := rehearsal.Run(rehearsal.Config{Rules: rules}, events, at(end), func(x *schemas.Trigger) error {
		if x.ArrivedAt < at(end) { // a campaign's may be dated to the very end, which is not in it
			want[fmt.Sprint(x.TriggerID, x.Status, x.ArrivedAt, x.Hits, x.Base)] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	l := newLog(t)
	l.events(events)
	for _, buckets := range []int{1, 7} {
		got := map[string]bool{}
		phases := map[string]int64{}
		report := l.run(backtest.Config{
			Rules: rules, Since: at(-time.Hour), Until: at(end), Buckets: buckets,
			Progress: func(phase string, done, total int64) {
				if phases[phase] = done; done > total {
					t.Errorf("%s: %d of %d", phase, done, total)
				}
			},
			Fired: func(x *schemas.Trigger) error {
				got[fmt.Sprint(x.TriggerID, x.Status, x.ArrivedAt, x.Hits, x.Base)] = true
				return nil
			},
		})
		if len(got) != len(want) {
			t.Errorf("%d buckets: %d fired, want %d", buckets, len(got), len(want))
		}
		for x := range want {
			if !got[x] {
				t.Errorf("%d buckets: %s has not fired", buckets, x)
			}
		}
		var sum int64
		for _, r := range report.Rules {
			if r.Fired+r.Shadow+r.Expired == 0 {
				t.Errorf("%s: nothing fired, which proves nothing", r.Name)
			}
			sum += r.Fired + r.Shadow + r.Expired
		}
		if sum != int64(len(want)) || report.Events != int64(len(events)) || report.Truncated {
			t.Errorf("%d buckets: %+v", buckets, report)
		}
		if phases["judging"] != int64(2*buckets) || len(phases) < 2 {
			t.Errorf("phases %v", phases)
		}
	}
}

const one = `
rules:
  - {name: r, within: {event: opened, of: send, duration: 6h}, once_per: message, max_age: 1h}
`

// scenario is a log with events before and in the time in question, and what fired
// live.
func scenario(t *testing.T) (*log, *trigger.Set) {
	rules := mustRules(t, one)
	opened, delivered := schemas.EventTypeOpened, schemas.EventTypeDelivered
	events := []schemas.Event{
		event(1, delivered, "long-ago@example.org", "spring", -20*time.Hour),
		event(2, delivered, "lead-in@example.org", "spring", -6*time.Hour),
		event(3, delivered, "before@example.org", "spring", -2*time.Hour),
		event(4, opened, "before@example.org", "spring", -time.Hour),
		event(5, delivered, "a@example.org", "spring", 0),
		event(6, opened, "lead-in@example.org", "spring", 0),
		event(7, opened, "a@example.org", "spring", time.Hour),
		event(8, delivered, "b@example.org", "autumn", 15*time.Hour),
		event(9, opened, "b@example.org", "autumn", 16*time.Hour),
		event(10, opened, "long-ago@example.org", "spring", 17*time.Hour),
		event(11, delivered, "c@example.org", "", 40*time.Hour),
		event(12, opened, "c@example.org", "", 41*time.Hour),
		event(13, delivered, "late@example.org", "", 40*time.Hour),
		event(14, opened, "late@example.org", "", 43*time.Hour),
		event(15, delivered, "after@example.org", "", 47*time.Hour),
		event(16, opened, "after@example.org", "", 48*time.Hour),
	}
	events[13].OccurredAt = at(41 * time.Hour)
	events[8].CampaignName = "Autumn sale"
	l := newLog(t)
	l.events(events)
	slices.SortFunc(events, func(a, b schemas.Event) int { return cmp.Compare(a.ArrivedAt, b.ArrivedAt) })
	var live []schemas.Trigger
	err := rehearsal.Run(rehearsal.Config{Rules: rules}, events, at(50*time.Hour), func(x *schemas.Trigger) error {
		switch x.Recipient {
		case "a@example.org", "before@example.org":
			live = append(live, *x)
		case "b@example.org": // as though it had fired live long before
			x.ArrivedAt = at(-30 * time.Hour)
			live = append(live, *x)
		}
		return nil
	})
	if err != nil || len(live) != 3 {
		t.Fatal(live, err)
	}
	only := live[0]
	only.TriggerID, only.ArrivedAt = schemas.ID{1}, at(2*time.Hour)
	other := only
	other.TriggerID, other.Rule = schemas.ID{2}, "another"
	l.triggers(append(live, only, other)...)
	return l, rules
}

func TestReport(t *testing.T) {
	l, rules := scenario(t)
	var list bytes.Buffer
	rows, err := backtest.NewCSV(&list)
	if err != nil {
		t.Fatal(err)
	}
	report := l.run(backtest.Config{Rules: rules, Since: at(0), Until: at(48 * time.Hour), Fired: rows.Add})
	if err := rows.Flush(); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	report.Print(&out)
	lines := strings.Split(strings.TrimSuffix(list.String(), "\n"), "\n")
	slices.Sort(lines[1:]) // one bucket, but that is not promised
	text := strings.ReplaceAll(out.String(), rules.Rules()[0].Version, "VERSION")
	golden(t, "report.golden", text+"\n"+strings.Join(lines, "\n")+"\n")
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// What retention has deleted is said.
func TestTruncatedLog(t *testing.T) {
	l, rules := scenario(t)
	deleted := kadm.Offsets{}
	for p := range int32(partitions) {
		deleted.Add(kadm.Offset{Topic: schemas.TopicEvents, Partition: p, At: 2})
	}
	if _, err := l.adm.DeleteRecords(l.Context(), deleted); err != nil {
		t.Fatal(err)
	}
	report := l.run(backtest.Config{Rules: rules, Since: at(0), Until: at(48 * time.Hour)})
	if notes := report.Notes(); !report.Truncated || !strings.Contains(notes[0], "no longer hold events") {
		t.Errorf("%+v, %v", report, notes)
	}
}

func TestEmptyLog(t *testing.T) {
	report := newLog(t).run(backtest.Config{Rules: mustRules(t, one), Since: at(0), Until: at(time.Hour)})
	if report.Events != 0 || len(report.Rules) != 1 || report.Rules[0].Fired != 0 || report.Rules[0].Live != nil {
		t.Errorf("%+v", report)
	}
}

func TestOnlyOneRule(t *testing.T) {
	l := newLog(t)
	l.events(drawEvents(200))
	report := l.run(backtest.Config{Rules: mustRules(t, allKinds), Only: "absent", Since: at(0), Until: at(9 * time.Hour)})
	if len(report.Rules) != 1 || report.Rules[0].Name != "absent" || report.Rules[0].Fired == 0 {
		t.Errorf("%+v", report.Rules)
	}
}

func TestFailures(t *testing.T) {
	l := newLog(t)
	if _, err := backtest.Run(t.Context(), backtest.Config{Kafka: l.kafka, Serde: serde, Since: at(1), Until: at(1)}); err == nil {
		t.Error("no time at all is fine")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := backtest.Config{Kafka: l.kafka, Serde: serde, Rules: mustRules(t, one), Since: at(0), Until: at(time.Hour), Dir: t.TempDir()}
	if _, err := backtest.Run(ctx, c); err == nil {
		t.Error("a run that was told to stop has ended well")
	}
	c.Generation = 2
	if _, err := backtest.Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), "posthorn.events.2") {
		t.Errorf("a generation that is not there: %v", err)
	}
	if left, err := os.ReadDir(c.Dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
