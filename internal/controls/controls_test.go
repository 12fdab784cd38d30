package controls_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthorn/posthorn/internal/controls"
	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/schemas"
)

var at = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func broker(t *testing.T) (kafka.Config, *kfake.Cluster) {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, schemas.TopicControls))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return kafka.Config{Brokers: c.ListenAddrs()}, c
}

func writer(t *testing.T, cfg kafka.Config) *controls.Writer {
	t.Helper()
	w, err := controls.NewWriter(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return w
}

// follow runs a follower until the test ends, and returns a function that waits
// for a snapshot that is as wanted.
func follow(t *testing.T, cfg kafka.Config) (*controls.Follower, func(what string, ok func(*controls.Snapshot) bool)) {
	t.Helper()
	f, err := controls.Follow(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	changed := make(chan struct{}, 1)
	stop := f.Wake(func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return f, func(what string, ok func(*controls.Snapshot) bool) {
		t.Helper()
		timeout := time.After(30 * time.Second)
		for !ok(f.Snapshot()) {
			select {
			case <-changed:
			case <-timeout:
				t.Fatalf("%s: not seen; the snapshot is %+v", what, f.Snapshot())
			}
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// What is asked is known to who follows, and to who comes later.
func TestWhatIsAskedIsKnown(t *testing.T) {
	cfg, _ := broker(t)
	w := writer(t, cfg)
	_, wait := follow(t, cfg)
	paused := controls.Rule{Name: "discount", Paused: true, By: "anna", At: at, Reason: "too many"}
	must(t, w.Rule(t.Context(), paused))
	must(t, w.Endpoint(t.Context(), controls.Endpoint{Name: "shop", Disabled: true, At: at, By: "anna", URL: "https://shop.example"}))
	first := controls.Retry{ID: schemas.ID{1}, TriggerID: schemas.ID{9}, Topic: "posthorn.triggers", Partition: 2, Offset: 17, Attempts: 3, At: at}
	second := first
	second.ID, second.Offset = schemas.ID{2}, 4
	must(t, w.Retry(t.Context(), first, second))
	all := func(s *controls.Snapshot) bool {
		list := s.Retries[2]
		return s.Rules["discount"] == paused && s.Paused("discount") && !s.Paused("other") && s.Endpoints["shop"].Disabled && s.Endpoints["shop"].At.Equal(at) &&
			len(list) == 2 && list[0] == second && list[1] == first
	}
	wait("all of it", all)
	late, err := controls.Read(t.Context(), cfg)
	if err != nil || !all(late) {
		t.Fatalf("who comes later knows %+v, %v", late, err)
	}

	must(t, w.Rule(t.Context(), controls.Rule{Name: "discount", At: at, Drop: true}))
	cl, err := kafka.NewProducer(cfg)
	must(t, err)
	defer cl.Close()
	must(t, cl.ProduceSync(t.Context(), second.Done()).FirstErr())
	wait("resumed, and one call made", func(s *controls.Snapshot) bool {
		return !s.Paused("discount") && s.Rules["discount"].Drop && len(s.Retries[2]) == 1
	})
}

// What nobody can read is in nobody's way.
func TestWhatCantBeReadIsPassedOver(t *testing.T) {
	cfg, _ := broker(t)
	cl, err := kafka.NewProducer(cfg)
	must(t, err)
	defer cl.Close()
	var bad []*kgo.Record
	for key, value := range map[string]string{"rule/a": "{", "retry/no-id": "{}", "retry/" + (schemas.ID{1}).String(): `{"partition":"x"}`, "tomorrow/x": "{}", "": ""} {
		bad = append(bad, &kgo.Record{Topic: schemas.TopicControls, Key: []byte(key), Value: []byte(value)})
	}
	must(t, cl.ProduceSync(t.Context(), bad...).FirstErr())
	must(t, writer(t, cfg).Rule(t.Context(), controls.Rule{Name: "b", Paused: true, At: at}))
	s, err := controls.Read(t.Context(), cfg)
	if err != nil || len(s.Rules) != 1 || !s.Paused("b") || len(s.Retries)+len(s.Endpoints) != 0 {
		t.Fatalf("%+v, %v", s, err)
	}
}

// The last that is in the topic may be the end of a transaction, or of one that
// was aborted.
func TestRequestsInTransactions(t *testing.T) {
	cfg, _ := broker(t)
	cl, err := kgo.NewClient(kgo.SeedBrokers(cfg.Brokers...), kgo.TransactionalID("test"))
	must(t, err)
	defer cl.Close()
	for i, end := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort} {
		must(t, cl.BeginTransaction())
		must(t, cl.ProduceSync(t.Context(), controls.Rule{Name: fmt.Sprint(i), Paused: true, At: at}.Record()).FirstErr())
		must(t, cl.EndTransaction(t.Context(), end))
	}
	s, err := controls.Read(t.Context(), cfg)
	if err != nil || !s.Paused("0") || s.Paused("1") {
		t.Fatalf("%+v, %v", s, err)
	}
}

// While the broker is away, what was asked last holds; what is asked after it is
// back is seen.
func TestBrokerLoss(t *testing.T) {
	cfg, c := broker(t)
	w := writer(t, cfg)
	must(t, w.Rule(t.Context(), controls.Rule{Name: "a", Paused: true, At: at}))
	f, wait := follow(t, cfg)

	var mu sync.Mutex
	away := true
	c.Control(func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		mu.Lock()
		defer mu.Unlock()
		if away && req.Key() == 1 { // Fetch
			return nil, fmt.Errorf("the broker is away"), true
		}
		return nil, nil, false
	})
	must(t, w.Rule(t.Context(), controls.Rule{Name: "b", Paused: true, At: at}))
	if !f.Snapshot().Paused("a") {
		t.Error("what was asked is forgotten")
	}
	mu.Lock()
	away = false
	mu.Unlock()
	wait("after the broker is back", func(s *controls.Snapshot) bool { return s.Paused("a") && s.Paused("b") })
}

// Without the topic nobody may think that nothing was asked.
func TestNoTopic(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "other"))
	must(t, err)
	defer c.Close()
	if s, err := controls.Read(t.Context(), kafka.Config{Brokers: c.ListenAddrs()}); err == nil {
		t.Errorf("read %+v", s)
	}
}

// Records of old may have been compacted away in front.
func TestStartIsNotZero(t *testing.T) {
	cfg, _ := broker(t)
	w := writer(t, cfg)
	for i := range 5 {
		must(t, w.Rule(t.Context(), controls.Rule{Name: fmt.Sprint(i), Paused: true, At: at}))
	}
	adm, stop, err := kafka.NewAdmin(cfg)
	must(t, err)
	defer stop()
	_, err = adm.DeleteRecords(t.Context(), kadm.Offsets{schemas.TopicControls: {0: {Topic: schemas.TopicControls, At: 3}}})
	must(t, err)
	s, err := controls.Read(t.Context(), cfg)
	if err != nil || len(s.Rules) != 2 {
		t.Fatalf("%+v, %v", s, err)
	}
}
