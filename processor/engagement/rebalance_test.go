package engagement

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/internal/testkafka"
	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

const groupPartitions = 4

// group is a Kafka with the stage's topics, and workers of the stage.
type group struct {
	*testing.T
	cfg   kafka.Config
	in    *kgo.Client
	stage stream.Stage
}

func newGroup(t *testing.T, brokers []string, rules *trigger.Set) *group {
	g := &group{T: t, cfg: kafka.Config{Brokers: brokers}, stage: Stage(Config{Serde: serde, Rules: trigger.NewLive(rules)})}
	adm, stop, err := kafka.NewAdmin(g.cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	if err := schemas.EnsureTopics(t.Context(), adm, schemas.Catalogue(groupPartitions, 1)); err != nil {
		t.Fatal(err)
	}
	if g.in, err = kafka.NewProducer(g.cfg, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.UnknownTopicRetries(-1)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.in.Close)
	return g
}

// produce writes events, and to each partition how far they are complete, in the
// engine's format of a marker from the one task of the stage before.
func (g *group) produce(events []schemas.Event, frontier schemas.Timestamp) {
	g.Helper()
	var records []*kgo.Record
	for i := range events {
		r := record(&events[i])
		r.Partition = kafka.PartitionFor(r.Key, groupPartitions)
		records = append(records, r)
	}
	value := []byte{1, 1, 0}
	value = binary.AppendUvarint(value, uint64(frontier))
	for p := range int32(groupPartitions) {
		records = append(records, &kgo.Record{Topic: schemas.TopicEventsByRecipient, Partition: p, Value: value,
			Headers: []kgo.RecordHeader{{Key: "posthorn-frontier"}}})
	}
	if err := g.in.ProduceSync(g.Context(), records...).FirstErr(); err != nil {
		g.Fatal(err)
	}
}

func (g *group) start(id string) (w *stream.Worker, stop func()) {
	g.Helper()
	w, err := stream.NewWorker(stream.WorkerConfig{Stage: g.stage, Kafka: g.cfg, TransactionalID: id, StateDir: g.TempDir(), CommitInterval: 20 * time.Millisecond})
	if err != nil {
		g.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			g.Errorf("worker %s: %v", id, err)
		}
	})
	g.Cleanup(stop)
	return w, stop
}

// share tells whether workers have all tasks among them, each some.
func share(workers ...*stream.Worker) bool {
	n := 0
	for _, w := range workers {
		s := w.Status()
		if !s.Ready || len(s.Tasks) == 0 {
			return false
		}
		n += len(s.Tasks)
	}
	return n == groupPartitions
}

// reach waits until the workers have come as far as a frontier, for a minute. It
// is told again and again, as the stage before does: a task that has moved knows
// of none.
func (g *group) reach(frontier schemas.Timestamp, workers ...*stream.Worker) {
	g.Helper()
	behind := func(w *stream.Worker) bool { return w.Status().Frontier.Before(frontier.Time()) }
	tick := time.Tick(5 * time.Millisecond)
	for deadline, n := time.Now().Add(time.Minute), 0; !share(workers...) || slices.ContainsFunc(workers, behind); n++ {
		if time.Now().After(deadline) {
			g.Fatalf("waited in vain for the frontier %s", frontier)
		}
		if n%50 == 49 {
			g.produce(nil, frontier)
		}
		<-tick
	}
}

// triggers reads what is committed in the topic of triggers, to its very end: the
// markers of the last transactions may still be on their way.
func (g *group) triggers(h *harness) output {
	g.Helper()
	adm, stop, err := kafka.NewAdmin(g.cfg)
	if err != nil {
		g.Fatal(err)
	}
	defer stop()
	ends, err := adm.ListEndOffsets(g.Context(), schemas.TopicTriggers)
	if err != nil {
		g.Fatal(err)
	}
	left := map[int32]int64{}
	for _, o := range ends[schemas.TopicTriggers] {
		if o.Offset > 0 {
			left[o.Partition] = o.Offset
		}
	}
	cl, err := kafka.NewConsumer(g.cfg, kgo.ConsumeTopics(schemas.TopicTriggers), kgo.KeepControlRecords())
	if err != nil {
		g.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(g.Context(), time.Minute)
	defer cancel()
	for len(left) > 0 {
		fs := cl.PollFetches(ctx)
		if err := fs.Err(); err != nil {
			g.Fatal(err)
		}
		fs.EachRecord(func(r *kgo.Record) {
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
			if !r.Attrs.IsControl() {
				r.Partition = partition // collect wants that of the harness
				h.collect(r)
			}
		})
	}
	return h.out
}

// acts are events of several recipients, by arrival: the same for the same seed.
func acts(seed uint64, recipients int) []schemas.Event {
	rnd := rand.New(rand.NewPCG(seed, 0))
	types := []schemas.EventType{delivered, delivered, opened, opened, opened, clicked, clicked, clicked, clicked, bounced}
	var events []schemas.Event
	for r := range recipients {
		for i := range 14 {
			message := 1 + rnd.IntN(2)
			e := schemas.Event{
				EventID: schemas.ID{byte(i), byte(r), byte(message)}, Tenant: "default", Account: "main", Provider: "mailjet",
				Type: types[rnd.IntN(len(types))], OccurredAt: at(time.Duration(rnd.IntN(1200)) * time.Second),
				MessageID: fmt.Sprint("m", message), Recipient: "ada@example.org", RecipientID: schemas.ID{byte(r), 1},
				CampaignID: fmt.Sprint("spring of m", message), ContactID: "k1", Country: []string{"FR", "DE"}[rnd.IntN(2)],
				Machine: schemas.Machine(rnd.IntN(3)), URL: fmt.Sprint("u", rnd.IntN(4)),
			}
			e.ArrivedAt = e.OccurredAt + schemas.Timestamp(rnd.IntN(40))*1_000_000
			if rnd.IntN(5) == 0 {
				e.ArrivedAt += 3_600_000_000
			}
			events = append(events, e)
		}
	}
	slices.SortStableFunc(events, func(a, b schemas.Event) int { return cmp.Compare(a.ArrivedAt, b.ArrivedAt) })
	return events
}

// All kinds of rules, while tasks move from one worker to two, and to another
// one: the same fires as in a single task, each once.
func TestRebalance(t *testing.T) {
	for name, brokers := range map[string]func(*testing.T) []string{
		"kfake": func(t *testing.T) []string {
			k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(time.Second))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(k.Close)
			return k.ListenAddrs()
		},
		"kafka": func(t *testing.T) []string {
			if testing.Short() {
				t.Skip("a broker of its own takes seconds")
			}
			return testkafka.Start(t, testkafka.Options{}).Brokers()
		},
	} {
		t.Run(name, func(t *testing.T) {
			rules := mustRules(t, kindsRules)
			events := acts(1, 40)
			single := newHarness(t, rules)
			want := firedIDs(rules, inOrder(single, events))
			for _, r := range rules.Rules() {
				if !slices.ContainsFunc(slices.Collect(maps.Values(want)), func(f firing) bool { return f.rule == r.Name }) {
					t.Errorf("rule %s does not fire", r.Name)
				}
			}

			g := newGroup(t, brokers(t), rules)
			third := len(events) / 3
			a, stopA := g.start("a")
			g.produce(events[:third], events[third].ArrivedAt)
			g.reach(events[third].ArrivedAt, a)
			// The second is on its way while the tasks move.
			g.produce(events[third:2*third], events[2*third].ArrivedAt)
			b, stopB := g.start("b")
			g.reach(events[2*third].ArrivedAt, a, b)
			g.produce(events[2*third:], at(afterAll))
			stopA()
			g.reach(at(afterAll), b)
			stopB()
			got := firedIDs(rules, g.triggers(&harness{TB: t, out: newOutput()}))
			if !maps.Equal(got, want) {
				t.Errorf("%d triggers, want %d", len(got), len(want))
				for id, f := range want {
					if got[id] != f {
						t.Errorf("%s: got %v, want %v", id, got[id], f)
					}
				}
			}
		})
	}
}
