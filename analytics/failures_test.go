package analytics

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/schemas"
)

var eventsOnly = []string{schemas.TopicEvents}

func produceEvents(t testing.TB, p *kgo.Client, from, to int, partitions int32) {
	t.Helper()
	recs := make([]*kgo.Record, 0, to-from)
	for n := from; n < to; n++ {
		recs = append(recs, eventRecord(n, partitions))
	}
	produce(t, p, recs...)
}

// faulty is a connection whose inserts fail: before they are sent while refuse
// is set, and after they were applied for the next deaf ones.
type faulty struct {
	driver.Conn
	refuse atomic.Bool
	deaf   atomic.Int32
	failed atomic.Int32
}

func (f *faulty) PrepareBatch(ctx context.Context, query string, opts ...driver.PrepareBatchOption) (driver.Batch, error) {
	if f.refuse.Load() {
		f.failed.Add(1)
		return nil, errors.New("connection refused")
	}
	b, err := f.Conn.PrepareBatch(ctx, query, opts...)
	if strings.Contains(query, "_trial_") {
		return b, err // which rows are refused is found out
	}
	return &deafBatch{b, f}, err
}

type deafBatch struct {
	driver.Batch
	f *faulty
}

func (b *deafBatch) Send() error {
	if err := b.Batch.Send(); err != nil {
		return err
	}
	if b.f.deaf.Add(-1) >= 0 {
		b.f.failed.Add(1)
		return context.DeadlineExceeded
	}
	return nil
}

func TestInsertTimedOutButWasApplied(t *testing.T) {
	kcfg, conn := cluster(t, 3), &faulty{Conn: migrated(t)}
	conn.deaf.Store(3)
	p := producer(t, kcfg)
	produceEvents(t, p, 0, 2000, 3)
	_, stop := running(t, SinkConfig{Kafka: kcfg, Conn: conn, Topics: eventsOnly, MaxRows: 700})
	eventually(t, func() string {
		if conn.failed.Load() < 3 {
			return "not enough failures"
		}
		return ""
	})
	counts(t, conn, 2000)
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestClickHouseAwayForAWhile(t *testing.T) {
	kcfg, conn := cluster(t, 3), &faulty{Conn: migrated(t)}
	conn.refuse.Store(true)
	p := producer(t, kcfg)
	s, stop := running(t, SinkConfig{Kafka: kcfg, Conn: conn, Topics: eventsOnly, MaxRows: 500})
	produceEvents(t, p, 0, 3000, 3)
	eventually(t, func() string {
		if conn.failed.Load() < 4 || s.Ready() == nil {
			return "still ready"
		}
		return ""
	})
	conn.refuse.Store(false)
	counts(t, conn, 3000)
	eventually(t, func() string {
		if err := s.Ready(); err != nil {
			return err.Error()
		}
		if lag := s.Status().Lanes[0].Lag; lag != 0 {
			return fmt.Sprint("lag ", lag)
		}
		return ""
	})
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestStoppedAbruptlyAgainAndAgain(t *testing.T) {
	kcfg, conn := cluster(t, 3), &faulty{Conn: migrated(t)}
	p := producer(t, kcfg)
	for round := range 8 {
		// Every insert of a round is applied and none acknowledged.
		conn.deaf.Store(1 << 20)
		before := conn.failed.Load()
		_, stop := running(t, SinkConfig{Kafka: kcfg, Conn: conn, Topics: eventsOnly, MaxRows: 150})
		produceEvents(t, p, round*400, (round+1)*400, 3)
		eventually(t, func() string {
			if conn.failed.Load() == before {
				return "nothing inserted"
			}
			return ""
		})
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	}
	conn.deaf.Store(0)
	_, stop := running(t, SinkConfig{Kafka: kcfg, Conn: conn, Topics: eventsOnly})
	counts(t, conn, 3200)
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// TestPausedOwnerWakesUp stops the process that owns the lanes as a long pause
// of the machine would. Another takes over; then the first wakes up.
func TestPausedOwnerWakesUp(t *testing.T) {
	pauseOwner(t, cluster(t, 4), time.Second)
}

func pauseOwner(t *testing.T, kcfg kafka.Config, session time.Duration) {
	dsn := testDSN(t)
	conn := opened(t, dsn)
	p := producer(t, kcfg)
	cmd, in, out := startChild(t, childSession+"="+session.String(), childDSN+"="+dsn, childBrokers+"="+strings.Join(kcfg.Brokers, ","))
	produceEvents(t, p, 0, 1000, 4)
	eventually(t, func() string {
		var n uint64
		if err := conn.QueryRow(t.Context(), "SELECT count() FROM events").Scan(&n); err != nil || n == 0 {
			return fmt.Sprint("no rows: ", err, out)
		}
		return ""
	})
	produceEvents(t, p, 1000, 9000, 4)
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	s, stop := running(t, SinkConfig{Kafka: kcfg, Conn: conn, Lanes: 2, MaxRows: 2000, SessionTimeout: session})
	counts(t, conn, 9000)
	if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	produceEvents(t, p, 9000, 12000, 4)
	counts(t, conn, 12000)
	if err := s.Ready(); err != nil {
		t.Error(err)
	}
	if err := errors.Join(stop(), in.Close()); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err, out)
	}
	counts(t, conn, 12000)
}

// A sink that is told to stop while it records its next batch must not say at
// its end that this batch is done.
func TestStoppedWhileABatchIsRecorded(t *testing.T) {
	c := kafkaOf(t, 1)
	kcfg, conn := kafka.Config{Brokers: c.ListenAddrs()}, migrated(t)
	p := producer(t, kcfg)
	_, stop := running(t, SinkConfig{Kafka: kcfg, Conn: conn, Topics: eventsOnly, Idle: time.Minute})
	produceEvents(t, p, 0, 10, 1)
	counts(t, conn, 10)

	// From now on the group is in motion for whoever has a batch to record.
	refused := make(chan struct{}, 1)
	var moving atomic.Bool
	moving.Store(true)
	c.ControlKey(int16(kmsg.OffsetCommit), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		req := r.(*kmsg.OffsetCommitRequest)
		asked := req.Topics[0].Partitions[0]
		if n, err := parseNote(*asked.Metadata); err != nil || n.to == asked.Offset || !moving.Load() {
			return nil, nil, false
		}
		resp := req.ResponseKind().(*kmsg.OffsetCommitResponse)
		topic := kmsg.NewOffsetCommitResponseTopic()
		topic.Topic, topic.TopicID = req.Topics[0].Topic, req.Topics[0].TopicID
		partition := kmsg.NewOffsetCommitResponseTopicPartition()
		partition.ErrorCode = kerr.RebalanceInProgress.Code
		topic.Partitions = append(topic.Partitions, partition)
		resp.Topics = append(resp.Topics, topic)
		select {
		case refused <- struct{}{}:
		default:
		}
		return resp, nil, true
	})
	produceEvents(t, p, 10, 20, 1)
	<-refused
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	moving.Store(false)
	_, stop = running(t, SinkConfig{Kafka: kcfg, Conn: conn, Topics: eventsOnly})
	produceEvents(t, p, 20, 30, 1)
	counts(t, conn, 30)
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestRecordOfAnEarlierGenerationIsRefused(t *testing.T) {
	// Long enough that a busy machine does not end the first one's membership.
	cfg := SinkConfig{Kafka: cluster(t, 2), SessionTimeout: 10 * time.Second, Lanes: 1}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	first, err := join(cfg, schemas.TopicEvents, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer first.close()
	tenure, err := first.next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	stale := kmsg.NewPtrOffsetCommitRequest()
	stale.Group = first.group
	if err := first.request(tenure, stale); err != nil {
		t.Fatal(err)
	}
	second, err := join(cfg, schemas.TopicEvents, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer second.close()
	select {
	case <-tenure.ctx.Done(): // The group has moved on.
	case <-ctx.Done():
		t.Fatal("the group did not move on")
	}
	if err := first.request(tenure, kmsg.NewPtrOffsetCommitRequest()); !errors.Is(err, errFenced) {
		t.Errorf("a tenure that ended gives %v", err)
	}
	if _, err := first.next(ctx); err != nil { // It keeps the lane in the new generation.
		t.Fatal(err)
	}
	admin, closeAdmin, err := kafka.NewAdmin(cfg.Kafka)
	if err != nil {
		t.Fatal(err)
	}
	defer closeAdmin()
	topics, err := admin.ListTopics(t.Context(), schemas.TopicEvents)
	if err != nil {
		t.Fatal(err)
	}
	topic := kmsg.NewOffsetCommitRequestTopic()
	topic.Topic, topic.TopicID = schemas.TopicEvents, topics[schemas.TopicEvents].ID
	topic.Partitions = append(topic.Partitions, kmsg.NewOffsetCommitRequestTopicPartition())
	stale.Topics = append(stale.Topics, topic)
	if err := commitError(stale.RequestWith(t.Context(), second.client)); !errors.Is(err, kerr.IllegalGeneration) {
		t.Errorf("the broker says %v", err)
	}
	second.mu.Lock()
	defer second.mu.Unlock()
	if second.current != nil {
		t.Error("the lane was given away although its owner is there")
	}
}

func TestPoisonRecordBecomesDeadLetter(t *testing.T) {
	kcfg, conn := cluster(t, 2), migrated(t)
	p := producer(t, kcfg)
	produceEvents(t, p, 0, 10, 2)
	produce(t, p, &kgo.Record{Topic: schemas.TopicEvents, Partition: 1, Value: []byte("no avro"), Key: []byte("k")})
	produceEvents(t, p, 10, 20, 2)
	s, stop := running(t, SinkConfig{Kafka: kcfg, Conn: conn, Topics: eventsOnly})
	counts(t, conn, 20)
	if err := errors.Join(s.Ready(), stop()); err != nil {
		t.Error(err)
	}
	reader, err := kafka.NewConsumer(kcfg, kgo.ConsumeTopics(schemas.TopicDeadLetters))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	rec := reader.PollFetches(t.Context()).Records()[0]
	headers := map[string]string{}
	for _, h := range rec.Headers {
		headers[h.Key] = string(h.Value)
	}
	if string(rec.Value) != "no avro" || headers["posthorn-partition"] != "1" || headers["posthorn-offset"] != "5" || headers["posthorn-cause"] == "" {
		t.Errorf("%q %v", rec.Value, headers)
	}
}

func TestWhatStopsTheSink(t *testing.T) {
	conn := migrated(t)
	for name, tc := range map[string]struct {
		lanes int
		spoil func(t *testing.T, kcfg kafka.Config)
		want  string
	}{
		"deleted before read": {1, func(t *testing.T, kcfg kafka.Config) {
			admin, done, err := kafka.NewAdmin(kcfg)
			if err != nil {
				t.Fatal(err)
			}
			defer done()
			offsets, err := admin.ListEndOffsets(t.Context(), schemas.TopicEvents)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := admin.DeleteRecords(t.Context(), offsets.Offsets()); err != nil {
				t.Fatal(err)
			}
		}, "out of range"},
		"other number of lanes": {2, func(*testing.T, kafka.Config) {}, "number cannot change"},
	} {
		t.Run(name, func(t *testing.T) {
			kcfg := cluster(t, 2)
			p := producer(t, kcfg)
			produceEvents(t, p, 0, 10, 2)
			s, stop := running(t, SinkConfig{Kafka: kcfg, Conn: conn, Topics: eventsOnly})
			eventually(t, func() string {
				if s.Status().Lanes[0].Positions[0] != 5 {
					return "not read yet"
				}
				return ""
			})
			if err := stop(); err != nil {
				t.Fatal(err)
			}
			produceEvents(t, p, 10, 20, 2)
			tc.spoil(t, kcfg)
			next, err := NewSink(SinkConfig{Kafka: kcfg, Conn: conn, Serde: serde, Topics: eventsOnly, Lanes: tc.lanes, SessionTimeout: time.Second})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			if err := next.Run(ctx); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want something on %q", err, tc.want)
			}
			if next.Ready() == nil {
				t.Error("it calls itself ready")
			}
		})
	}
}

// TestTopicMadeAnew: Kafka forgets a deleted topic's offsets. The new topic is
// read from its start, and nothing of it is taken for a repetition.
func TestTopicMadeAnew(t *testing.T) {
	kcfg, conn := cluster(t, 2), migrated(t)
	admin, done, err := kafka.NewAdmin(kcfg)
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	for round := range 2 {
		produceEvents(t, producer(t, kcfg), round*10, round*10+10, 2)
		_, stop := running(t, SinkConfig{Kafka: kcfg, Conn: conn, Topics: eventsOnly})
		counts(t, conn, round*10+10)
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if _, err := admin.DeleteTopics(t.Context(), schemas.TopicEvents); err != nil {
			t.Fatal(err)
		}
		if _, err := admin.CreateTopics(t.Context(), 2, 1, nil, schemas.TopicEvents); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRecordedBatchIsReadAgainExactly(t *testing.T) {
	kcfg := cluster(t, 3)
	p := producer(t, kcfg)
	produceEvents(t, p, 0, 900, 3)
	start := map[int32]int64{0: 0, 1: 10, 2: 0}
	read := func(r *reader, b batch) []byte {
		var all bytes.Buffer
		_ = b.each(func(rec *kgo.Record) error {
			fmt.Fprintf(&all, "%d/%d:", rec.Partition, rec.Offset)
			all.Write(rec.Value)
			return nil
		})
		return all.Bytes()
	}
	r, err := newReader(kcfg, schemas.TopicEvents, start)
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	b, err := r.nextBatch(t.Context(), limits{rows: 333, bytes: 1 << 20, linger: time.Minute}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if b.rows != 333 {
		t.Fatalf("%d rows", b.rows)
	}
	produceEvents(t, p, 900, 1800, 3) // More is there when it is read again.
	again, err := newReader(kcfg, schemas.TopicEvents, start)
	if err != nil {
		t.Fatal(err)
	}
	defer again.close()
	same, err := again.exactly(t.Context(), b.vector)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(read(r, b), read(again, same)) {
		t.Error("the batch differs")
	}
	if b.vector.token("events", "t", 0) != same.vector.token("events", "t", 0) {
		t.Error("the token differs")
	}
	rest, err := again.nextBatch(t.Context(), limits{rows: 1457, bytes: 1 << 30, linger: time.Minute}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	for p, s := range rest.vector {
		if s.from != b.vector[p].to || s.to != 600 {
			t.Errorf("partition %d goes on with %v after %v", p, s, b.vector[p])
		}
	}
}
