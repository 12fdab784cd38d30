package stream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/kafka"
)

const (
	// maxPoll bounds the records handled between two looks at the clock.
	maxPoll = 5000
	// maxTransaction bounds the records of one transaction.
	maxTransaction = 50_000
	// maxTimers bounds the timers that fire in one transaction. After a standstill
	// there may be millions due, and it would not end before its timeout.
	maxTimers = 20_000
	// frontierInterval is how often a stage tells the next how far it has come,
	// and how often offsets of markers alone are committed.
	frontierInterval = 500 * time.Millisecond
	// After quietAfter without a record that happens quietFactor times less
	// often: markers and their commits are what an idle stage costs.
	quietAfter  = 5 * time.Second
	quietFactor = 2
	// quietTick is how often a Ticker that is not woken ticks then.
	quietTick = 250 * time.Millisecond
	// An input is behind when the newest record of a transaction was written
	// this long ago; the commit interval is then multiplied, but stays well
	// below the timeout of a transaction.
	backlogAge         = time.Second
	backlogFactor      = 5
	maxBacklogInterval = time.Second
	// endTimeout bounds the end of a transaction, also at shutdown.
	endTimeout = 20 * time.Second
)

// session is one life of a worker's transactional client. Any doubt about a
// transaction's fate ends it: the next one starts from what Kafka says.
type session struct {
	w   *Worker
	gs  *kgo.GroupTransactSession
	cl  *kgo.Client
	adm *kadm.Client
	bg  sync.WaitGroup // restores and the end watcher
	// prepared is closed once predecessors are fenced and the topics known. The
	// client may be given partitions before that.
	prepared chan struct{}

	// mu guards what the client's callbacks and the restores share with the loop.
	mu       sync.Mutex
	assigned map[int32]*assignment
	fatal    error

	// applying is held while committed writes go to the database, so that a
	// restore never reads a position in between.
	applying sync.Mutex

	ends   atomic.Pointer[inputEnds]
	quiet  atomic.Bool // no record was processed for quietAfter
	joined atomic.Bool // the group has answered with an assignment, if of nothing
	doing  activity
	// hard outlives the context of the session by endTimeout: what has begun is
	// brought to an end, but not at any price.
	hard    context.Context
	started time.Time

	// The rest belongs to the loop.
	tasks      map[int32]*taskRunner
	owners     map[int32]*assignment
	partitions map[string]int32 // partition counts of output topics
	inTxn      bool
	began      time.Time
	records    int64     // input records in the open transaction
	timers     int       // that have fired in it
	overdue    bool      // more are due than it may fire
	newest     time.Time // when the newest of them was written
	touched    []*taskRunner
	markers    bool // markers were read since the last commit
	heard      bool // markers were read since frontiers were last looked at
	lastMarker time.Time
	advanced   time.Time // when frontiers were last looked at
	stamped    bool      // brokers stamp the markers' topic; set before the rest begins
	poison     map[int32]map[int64]error
	failures   int // aborts in a row
	reported   time.Time
	lastRecord time.Time // when one was processed last
	ticking    bool      // the stage's tasks are Tickers
	refused    int       // tasks that could not be made

	produceMu  sync.Mutex
	produceErr error
}

// assignment is one ownership of a partition, from assigned to revoked.
type assignment struct {
	partition int32
	position  int64 // committed input offset, or the log's start
	restored  bool
	again     time.Time // when to try anew to make its task, which has failed
	failures  int

	// How far the restore is, in changelog offsets of all stores.
	restoredOffsets, toRestore atomic.Int64
	moved                      atomic.Int64 // when it got on last, Unix nanoseconds
}

func (w *Worker) runSession(ctx context.Context) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	hard, release := context.WithCancel(context.WithoutCancel(ctx))
	defer release()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(endTimeout, release) })()
	s := &session{
		hard: hard, started: time.Now(),
		w: w, assigned: map[int32]*assignment{}, prepared: make(chan struct{}),
		tasks: map[int32]*taskRunner{}, owners: map[int32]*assignment{},
		partitions: map[string]int32{}, poison: map[int32]map[int64]error{},
	}
	dropped := func(_ context.Context, _ *kgo.Client, m map[string][]int32) { s.unassign(m[w.stage.Input]) }
	txn := kafka.TxnConfig{
		Group: w.stage.Name, Topic: w.stage.Input,
		TransactionalID: w.cfg.TransactionalID, InstanceID: w.cfg.InstanceID, Protocol: w.cfg.Protocol,
		SessionTimeout: w.cfg.SessionTimeout, TransactionTimeout: w.cfg.TransactionTimeout,
		OnAssigned: func(_ context.Context, cl *kgo.Client, m map[string][]int32) { s.assign(ctx, cl, m[w.stage.Input]) },
		OnRevoked:  dropped, OnLost: dropped,
		Logger: w.log,
	}
	// With the control records in sight, positions reach the very end of the
	// input: lag is exact, and a waiter for an end offset sees it.
	s.gs, err = kafka.NewTransactional(w.cfg.Kafka, txn, kgo.KeepControlRecords())
	if err != nil {
		return err
	}
	s.cl = s.gs.Client()
	s.adm = kadm.NewClient(s.cl)
	defer func() {
		cancel()
		member, _ := s.cl.GroupMetadata()
		s.gs.Close()
		s.bg.Wait()
		s.release(txn, member)
	}()
	if err := kafka.CheckVersion(ctx, s.cl); err != nil {
		return err
	}
	// Fences a predecessor and aborts what it left open; otherwise restores
	// wait for its transaction to time out.
	if _, _, err := s.cl.ProducerID(ctx); err != nil {
		return fmt.Errorf("fencing the predecessor: %w", err)
	}
	if err := s.lookUpTopics(ctx); err != nil {
		return err
	}
	if w.stage.Root {
		if err := s.checkAppendTime(ctx); err != nil {
			return err
		}
	}
	close(s.prepared)
	s.bg.Add(2)
	go s.watchEnds(ctx)
	go s.watch(ctx)
	return s.loop(ctx)
}

// release lets the broker give this worker's place in the group back to it.
func (s *session) release(txn kafka.TxnConfig, member string) {
	ctx, cancel := context.WithTimeout(context.Background(), endTimeout/4)
	defer cancel()
	if err := kafka.ReleaseInstance(ctx, s.w.cfg.Kafka, txn, member); err != nil {
		s.w.log.Warn("the next session may wait for this one's session timeout", "error", err)
	}
}

// lookUpTopics learns the partition counts of outputs known by name and the
// ids of the changelogs.
func (s *session) lookUpTopics(ctx context.Context) error {
	want := append([]string{s.w.stage.Input}, s.w.stage.FrontierTo...)
	for _, store := range s.w.stores {
		want = append(want, ChangelogTopic(s.w.stage.Name, store))
	}
	details, err := s.adm.ListTopics(ctx, want...)
	if err != nil {
		return fmt.Errorf("looking up topics: %w", err)
	}
	ids := map[string][16]byte{}
	for _, topic := range want {
		d, ok := details[topic]
		if !ok || d.Err != nil || len(d.Partitions) == 0 {
			return fmt.Errorf("topic %s is missing: create the topics first (%v)", topic, d.Err)
		}
		s.partitions[topic] = int32(len(d.Partitions))
		ids[topic] = d.ID
		if old, known := s.w.topicIDs[topic]; known && old != d.ID {
			s.w.log.Error("topic was deleted and created anew: going on with the new one", "topic", topic)
		}
	}
	for _, store := range s.w.stores {
		if topic := ChangelogTopic(s.w.stage.Name, store); s.partitions[topic] != s.partitions[s.w.stage.Input] {
			return fmt.Errorf("topic %s has %d partitions, its stage's input %s has %d: they must agree",
				topic, s.partitions[topic], s.w.stage.Input, s.partitions[s.w.stage.Input])
		}
	}
	s.w.topicIDs = ids
	return nil
}

func (s *session) assign(ctx context.Context, cl *kgo.Client, partitions []int32) {
	s.joined.Store(true)
	if len(partitions) == 0 {
		return
	}
	cl.PauseFetchPartitions(map[string][]int32{s.w.stage.Input: partitions})
	var as []*assignment
	s.mu.Lock()
	for _, p := range partitions {
		a := &assignment{partition: p}
		a.moved.Store(time.Now().UnixNano())
		s.assigned[p] = a
		as = append(as, a)
	}
	s.mu.Unlock()
	s.bg.Add(1)
	go func() {
		defer s.bg.Done()
		select {
		case <-s.prepared:
		case <-ctx.Done():
			return
		}
		if err := s.restore(ctx, as); err != nil && ctx.Err() == nil {
			s.mu.Lock()
			s.fatal = errors.Join(s.fatal, err)
			s.mu.Unlock()
			s.w.Wake()
		}
	}()
}

func (s *session) unassign(partitions []int32) {
	s.mu.Lock()
	for _, p := range partitions {
		delete(s.assigned, p)
	}
	s.mu.Unlock()
	if lost := s.w.stage.Lost; lost != nil && len(partitions) > 0 {
		lost(partitions)
	}
}

// owned tells whether a is still the ownership of its partition.
func (s *session) owned(a *assignment) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.assigned[a.partition] == a
}

// endsInterval is how often the end of the input is asked for by stages other
// than the root, for their lag alone.
const endsInterval = 2 * time.Second

// watchEnds asks how long the input is: for the lag, for the frontier of a root
// stage, and to notice that Kafka does not answer.
func (s *session) watchEnds(ctx context.Context) {
	defer s.bg.Done()
	interval := endsInterval
	if s.w.stage.Root {
		interval = frontierInterval
	}
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		if s.w.stage.Root {
			s.observeClock(ctx)
		}
		hold := s.hold() // before the question: what it speaks of must be within the answer
		asked := s.w.clock.now()
		offsets, err := s.adm.ListEndOffsets(ctx, s.w.stage.Input)
		if err == nil && offsets.Error() == nil {
			e := &inputEnds{asked: asked, at: time.Now(), ends: map[int32]int64{}, hold: hold}
			offsets.Each(func(o kadm.ListedOffset) { e.ends[o.Partition] = o.Offset })
			if s.w.stage.Root {
				e.logEnds = s.logEnds(ctx, offsets)
			}
			s.ends.Store(e)
			if s.w.stage.Root && s.quiet.Load() {
				s.w.Wake() // all timers behind wait for what it means
			}
		}
		ticks := 1
		if s.w.stage.Root && s.quiet.Load() {
			ticks = quietFactor
		}
		for range ticks {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}
}

// hold asks what holds the frontier; 0: that is unknown, or nothing does.
func (s *session) hold() int64 {
	if s.w.stage.Hold == nil {
		return 0
	}
	micro, ok := s.w.stage.Hold()
	if !ok {
		return 0
	}
	return micro
}

// logEnds asks how long the leaders' logs are. What they have written but not
// yet replicated is not shown to readers, though its time of arrival is set:
// while a follower hangs that can take seconds. Partitions whose leader does not
// answer are left out.
func (s *session) logEnds(ctx context.Context, offsets kadm.ListedOffsets) map[int32]int64 {
	var req kadm.OffsetForLeaderEpochRequest
	offsets.Each(func(o kadm.ListedOffset) { req.Add(o.Topic, o.Partition, o.LeaderEpoch) })
	// Brokers that fail leave their partitions out, which is all that matters.
	resp, _ := s.adm.OffsetForLeaderEpoch(ctx, req)
	ends := map[int32]int64{}
	for p, r := range resp[s.w.stage.Input] {
		if r.Err == nil && r.EndOffset >= 0 {
			ends[p] = r.EndOffset
		}
	}
	return ends
}

// observeClock asks when the newest marker was written, by its broker's clock.
// Where brokers don't stamp its topic it goes by this machine's.
func (s *session) observeClock(ctx context.Context) {
	if !s.stamped {
		s.w.clock.observe(time.Now())
		return
	}
	newest, err := s.adm.ListMaxTimestampOffsets(ctx, s.w.stage.FrontierTo[0])
	if err != nil {
		return // asked again soon; the frontier stands meanwhile
	}
	newest.Each(func(o kadm.ListedOffset) {
		if o.Err == nil && o.Timestamp > 0 {
			s.w.clock.observe(time.UnixMilli(o.Timestamp))
		}
	})
}
