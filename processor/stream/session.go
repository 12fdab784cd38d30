package stream

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthorn/posthorn/internal/kafka"
)

const (
	// maxPoll bounds the records handled between two looks at the clock.
	maxPoll = 5000
	// maxTransaction bounds the records of one transaction.
	maxTransaction = 50_000
	// frontierInterval is how often a stage tells the next how far it has come,
	// and how often offsets of markers alone are committed.
	frontierInterval = 500 * time.Millisecond
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
	kick     chan struct{} // a restore ended

	// applying is held while committed writes go to the database, so that a
	// restore never reads a position in between.
	applying sync.Mutex

	ends atomic.Pointer[inputEnds]

	// The rest belongs to the loop.
	tasks      map[int32]*taskRunner
	owners     map[int32]*assignment
	partitions map[string]int32 // partition counts of output topics
	inTxn      bool
	began      time.Time
	records    int64     // input records in the open transaction
	newest     time.Time // when the newest of them was written
	touched    []*taskRunner
	markers    bool // markers were read since the last commit
	lastMarker time.Time
	poison     map[int32]map[int64]error
	failures   int // aborts in a row
	lags       map[int32]int64

	produceMu  sync.Mutex
	produceErr error
}

// assignment is one ownership of a partition, from assigned to revoked.
type assignment struct {
	partition int32
	position  int64 // committed input offset, or the log's start
	restored  bool
}

func (w *Worker) runSession(ctx context.Context) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := &session{
		w: w, assigned: map[int32]*assignment{}, prepared: make(chan struct{}), kick: make(chan struct{}, 1),
		tasks: map[int32]*taskRunner{}, owners: map[int32]*assignment{},
		partitions: map[string]int32{}, poison: map[int32]map[int64]error{}, lags: map[int32]int64{},
	}
	dropped := func(_ context.Context, _ *kgo.Client, m map[string][]int32) { s.unassign(m[w.stage.Input]) }
	s.gs, err = kafka.NewTransactional(w.cfg.Kafka, kafka.TxnConfig{
		Group: w.stage.Name, Topic: w.stage.Input,
		TransactionalID: w.cfg.TransactionalID, InstanceID: w.cfg.InstanceID,
		OnAssigned: func(_ context.Context, cl *kgo.Client, m map[string][]int32) { s.assign(ctx, cl, m[w.stage.Input]) },
		OnRevoked:  dropped, OnLost: dropped,
		Logger: w.log,
		// With the control records in sight, positions reach the very end of
		// the input: lag is exact, and a waiter for an end offset sees it.
	}, kgo.KeepControlRecords())
	if err != nil {
		return err
	}
	s.cl = s.gs.Client()
	s.adm = kadm.NewClient(s.cl)
	defer func() {
		cancel()
		s.gs.Close()
		s.bg.Wait()
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
	close(s.prepared)
	if w.stage.Root {
		s.bg.Add(1)
		go s.watchEnds(ctx)
	}
	return s.loop(ctx)
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
	if len(partitions) == 0 {
		return
	}
	cl.PauseFetchPartitions(map[string][]int32{s.w.stage.Input: partitions})
	var as []*assignment
	s.mu.Lock()
	for _, p := range partitions {
		a := &assignment{partition: p}
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
			s.notify()
		}
	}()
}

func (s *session) unassign(partitions []int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range partitions {
		delete(s.assigned, p)
	}
}

// owned tells whether a is still the ownership of its partition.
func (s *session) owned(a *assignment) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.assigned[a.partition] == a
}

func (s *session) notify() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// watchEnds asks how long the input is, for the frontier of a root stage.
func (s *session) watchEnds(ctx context.Context) {
	defer s.bg.Done()
	tick := time.NewTicker(frontierInterval / 2)
	defer tick.Stop()
	for {
		asked := time.Now()
		offsets, err := s.adm.ListEndOffsets(ctx, s.w.stage.Input)
		if err == nil && offsets.Error() == nil {
			e := &inputEnds{asked: asked, ends: map[int32]int64{}}
			offsets.Each(func(o kadm.ListedOffset) { e.ends[o.Partition] = o.Offset })
			s.ends.Store(e)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (s *session) loop(ctx context.Context) error {
	for {
		if err := s.adopt(); err != nil {
			return err
		}
		err := s.work(ctx)
		if ctx.Err() != nil {
			return errors.Join(err, s.finish())
		}
		if err != nil {
			return err
		}
	}
}

// finish commits what is open at shutdown.
func (s *session) finish() error {
	if !s.inTxn {
		return nil
	}
	cause := s.complete()
	_, err := s.end(cause == nil)
	return errors.Join(cause, err)
}

// adopt makes tasks of restored partitions and lets go of revoked ones.
func (s *session) adopt() error {
	s.mu.Lock()
	fatal := s.fatal
	var restored []*assignment
	restoring := 0
	for p, a := range s.assigned {
		if !a.restored {
			restoring++
		} else if s.owners[p] != a {
			restored = append(restored, a)
		}
	}
	for p, a := range s.owners {
		if s.assigned[p] != a {
			delete(s.owners, p)
			delete(s.tasks, p)
			delete(s.lags, p)
			delete(s.poison, p)
		}
	}
	s.mu.Unlock()
	if fatal != nil {
		return fatal
	}
	for _, a := range restored {
		t, err := newTaskRunner(s, a.partition, a.position)
		if err != nil {
			return err
		}
		s.tasks[a.partition] = t
		s.owners[a.partition] = a
		s.cl.ResumeFetchPartitions(map[string][]int32{s.w.stage.Input: {a.partition}})
	}
	s.report(restoring)
	return nil
}

// work is one turn of the loop: poll, process, and commit when it is time.
func (s *session) work(ctx context.Context) error {
	fetches, err := s.poll(ctx)
	if err != nil {
		return err
	}
	cause := s.process(fetches)
	if cause == nil {
		cause = s.tick()
	}
	now := time.Now()
	due := s.inTxn && (now.Sub(s.began) >= s.interval() || s.records >= maxTransaction)
	if cause == nil && !due && !s.inTxn && now.Sub(s.lastMarker) >= frontierInterval && len(s.tasks) > 0 &&
		(s.markers || len(s.w.stage.FrontierTo) > 0) {
		s.begin()
		due = true
	}
	if cause == nil && due {
		if cause = s.complete(); cause == nil {
			committed, err := s.end(true)
			if err != nil {
				return err
			}
			if !committed {
				return s.pause(ctx, errors.New("the group rebalanced"), 0)
			}
			s.failures = 0
		}
	}
	if cause == nil {
		return nil
	}
	s.begin()
	if _, err := s.end(false); err != nil {
		return errors.Join(cause, err)
	}
	if errors.Is(cause, errRetryNow) {
		return nil
	}
	s.failures++
	s.w.setError(cause)
	s.w.log.Warn("transaction aborted", "error", cause, "failures", s.failures)
	return s.pause(ctx, cause, s.failures)
}

// errRetryNow aborts a transaction to do it again at once.
var errRetryNow = errors.New("transaction is done again")

// pause waits before an aborted transaction is done again.
func (s *session) pause(ctx context.Context, _ error, failures int) error {
	wait := min(30*time.Second, 50*time.Millisecond<<min(failures, 10))
	wait -= time.Duration(rand.Int64N(int64(wait / 4)))
	select {
	case <-ctx.Done():
	case <-time.After(wait):
	}
	return nil
}

// poll waits for records until the next commit is due, or Wake or a restore
// interrupts it.
func (s *session) poll(ctx context.Context) (kgo.Fetches, error) {
	wait := s.w.cfg.CommitInterval
	if s.inTxn {
		wait = max(time.Millisecond, s.interval()-time.Since(s.began))
	}
	pollCtx, cancel := context.WithTimeout(ctx, wait)
	done := make(chan struct{})
	go func() {
		select {
		case <-s.w.wake:
			cancel()
		case <-s.kick:
			cancel()
		case <-done:
		}
	}()
	fetches := s.gs.PollRecords(pollCtx, maxPoll)
	close(done)
	cancel()
	if fetches.IsClientClosed() {
		return nil, errors.New("client was closed")
	}
	var failed error
	fetches.EachError(func(topic string, p int32, err error) {
		if !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
			failed = errors.Join(failed, fmt.Errorf("reading %s partition %d: %w", topic, p, err))
		}
	})
	if failed != nil && fetches.NumRecords() == 0 {
		return nil, failed
	}
	return fetches, nil
}

// interval is the time between two transactions. Where the input is behind
// anyway they are larger, and so cheaper by record: it catches up sooner.
func (s *session) interval() time.Duration {
	if time.Since(s.newest) > backlogAge && s.records > 0 {
		return max(s.w.cfg.CommitInterval, min(backlogFactor*s.w.cfg.CommitInterval, maxBacklogInterval))
	}
	return s.w.cfg.CommitInterval
}

// begin opens a transaction if none is open.
func (s *session) begin() {
	if s.inTxn {
		return
	}
	s.inTxn = true
	s.began = time.Now()
	if err := s.gs.Begin(); err != nil {
		s.setProduceErr(fmt.Errorf("beginning transaction: %w", err))
	}
}

func (s *session) process(fetches kgo.Fetches) (cause error) {
	fetches.EachPartition(func(fp kgo.FetchTopicPartition) {
		if cause != nil || len(fp.Records) == 0 {
			return
		}
		t := s.tasks[fp.Partition]
		if t == nil {
			// Revoked meanwhile, or the pause failed: without its state the
			// records must not be passed over.
			cause = fmt.Errorf("records of partition %d before its state: %w", fp.Partition, errRetryNow)
			return
		}
		cause = s.processPartition(t, fp.Records)
		s.lags[fp.Partition] = max(0, fp.HighWatermark-t.clock.position)
	})
	return cause
}

func (s *session) processPartition(t *taskRunner, records []*kgo.Record) error {
	for _, rec := range records {
		if rec.Offset < t.clock.position {
			return fmt.Errorf("offset %d of partition %d was processed already", rec.Offset, t.partition)
		}
		t.clock.position = rec.Offset + 1
		if rec.Attrs.IsControl() {
			s.markers = true
			continue
		}
		if IsMarker(rec) {
			m, err := decodeMarker(rec.Value)
			if err != nil {
				return fmt.Errorf("offset %d of partition %d: %w", rec.Offset, t.partition, err)
			}
			t.clock.sources.add(m)
			s.markers = true
			continue
		}
		t.touch()
		s.records++
		t.clock.lastMicro = max(t.clock.lastMicro, rec.Timestamp.UnixMicro())
		if rec.Timestamp.After(s.newest) {
			s.newest = rec.Timestamp
		}
		if cause, poisoned := s.poison[t.partition][rec.Offset]; poisoned {
			s.deadLetter(t, rec, cause)
			continue
		}
		if err := t.task.Process(t, rec); err != nil {
			err = fmt.Errorf("processing %s partition %d offset %d: %w", rec.Topic, rec.Partition, rec.Offset, err)
			if !IsPermanent(err) || s.w.stage.DeadLetter == "" {
				return err
			}
			// What the record did before it failed must not stay: the
			// transaction is done again with the record set aside.
			if s.poison[t.partition] == nil {
				s.poison[t.partition] = map[int64]error{}
			}
			s.poison[t.partition][rec.Offset] = err
			return errors.Join(err, errRetryNow)
		}
	}
	return nil
}

// deadLetter sends a record that can never be processed on, with its cause and
// where it stood.
func (s *session) deadLetter(t *taskRunner, rec *kgo.Record, cause error) {
	header := func(key, value string) kgo.RecordHeader { return kgo.RecordHeader{Key: key, Value: []byte(value)} }
	t.Produce(&kgo.Record{
		Topic: s.w.stage.DeadLetter, Key: rec.Key, Value: rec.Value,
		Headers: []kgo.RecordHeader{
			header("posthorn-stage", s.w.stage.Name), header("posthorn-cause", cause.Error()),
			header("posthorn-topic", rec.Topic), header("posthorn-partition", strconv.Itoa(int(rec.Partition))),
			header("posthorn-offset", strconv.FormatInt(rec.Offset, 10)),
		},
	})
	s.w.metrics.deadLetters.Inc()
	s.w.update(func(st *Status) { st.DeadLetters++; st.LastError, st.ErrorAt = cause.Error(), time.Now() })
	s.w.log.Error("record sent to dead letters", "error", cause, "topic", s.w.stage.DeadLetter)
}

// tick lets tasks work on the wall clock.
func (s *session) tick() error {
	now := time.Now()
	for _, t := range s.tasks {
		ticker, ok := t.task.(Ticker)
		if !ok {
			return nil
		}
		if err := ticker.Tick(t, now); err != nil {
			return fmt.Errorf("ticking %s partition %d: %w", s.w.stage.Name, t.partition, err)
		}
	}
	return nil
}

// complete adds to the transaction what belongs at its end: timers that are
// due, aggregates, changelogs and frontier markers.
func (s *session) complete() error {
	ends := s.ends.Load()
	for _, t := range s.tasks {
		micro := t.clock.sources.micro()
		if s.w.stage.Root {
			micro = rootFrontier(ends, t.partition, t.clock.position, t.clock.lastMicro)
		}
		if err := t.advance(micro); err != nil {
			return err
		}
	}
	for _, t := range s.touched {
		if err := t.task.Flush(t); err != nil {
			return fmt.Errorf("flushing %s partition %d: %w", s.w.stage.Name, t.partition, err)
		}
	}
	for _, t := range s.touched {
		t.produceChangelogs()
	}
	if time.Since(s.lastMarker) >= frontierInterval {
		s.lastMarker = time.Now()
		s.produceMarkers()
	}
	return nil
}

func (s *session) produceMarkers() {
	m := marker{tasks: uint32(s.partitions[s.w.stage.Input])}
	for _, t := range s.tasks {
		if t.frontier > 0 {
			m.frontiers = append(m.frontiers, taskFrontier{t.partition, t.frontier})
		}
	}
	if len(m.frontiers) == 0 {
		return
	}
	value := m.encode()
	for _, topic := range s.w.stage.FrontierTo {
		for p := range s.partitions[topic] {
			s.produce(&kgo.Record{Topic: topic, Value: value, Headers: []kgo.RecordHeader{{Key: markerHeader}}}, p, nil)
		}
	}
}

// produce adds a record to the transaction. A partition below 0 is chosen by
// the key. acked is called once the broker has it.
func (s *session) produce(rec *kgo.Record, partition int32, acked func(*kgo.Record)) {
	if partition < 0 {
		n, err := s.partitionsOf(rec.Topic)
		if err != nil {
			s.setProduceErr(err)
			return
		}
		if len(rec.Key) == 0 {
			partition = rand.Int32N(n)
		} else {
			partition = kafka.PartitionFor(rec.Key, n)
		}
	}
	rec.Partition = partition
	s.cl.Produce(context.Background(), rec, func(rec *kgo.Record, err error) {
		if err != nil {
			s.setProduceErr(fmt.Errorf("producing to %s: %w", rec.Topic, err))
		} else if acked != nil {
			acked(rec)
		}
	})
}

func (s *session) setProduceErr(err error) {
	s.produceMu.Lock()
	defer s.produceMu.Unlock()
	if s.produceErr == nil {
		s.produceErr = err
	}
}

func (s *session) takeProduceErr() error {
	s.produceMu.Lock()
	defer s.produceMu.Unlock()
	err := s.produceErr
	s.produceErr = nil
	return err
}

func (s *session) partitionsOf(topic string) (int32, error) {
	if n := s.partitions[topic]; n > 0 {
		return n, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	details, err := s.adm.ListTopics(ctx, topic)
	if err != nil {
		return 0, fmt.Errorf("looking up topic %s: %w", topic, err)
	}
	n := int32(len(details[topic].Partitions))
	if n == 0 {
		return 0, fmt.Errorf("topic %s is missing: create the topics first", topic)
	}
	s.partitions[topic] = n
	return n, nil
}

// end commits or aborts the open transaction. An error means that its fate is
// unknown, or that the client can't go on: the session must end.
func (s *session) end(commit bool) (committed bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	start := time.Now()
	if commit {
		if err := s.cl.Flush(ctx); err != nil {
			return false, fmt.Errorf("flushing transaction: %w", err)
		}
		if err := s.takeProduceErr(); err != nil {
			return false, err
		}
	}
	committed, err = s.gs.End(kgo.PreTxnCommitFnContext(ctx, s.fence), kgo.TransactionEndTry(commit))
	if err != nil {
		return false, fmt.Errorf("ending transaction: %w", err)
	}
	s.inTxn = false
	if committed {
		s.w.metrics.commitSeconds.Observe(time.Since(start).Seconds())
		s.w.metrics.commits.Inc()
		s.w.metrics.records.Add(float64(s.records))
		err = s.committed()
	} else {
		s.w.metrics.aborts.Inc()
		err = s.aborted()
	}
	s.records, s.newest = 0, time.Time{}
	return committed, err
}

// fence makes a transaction that consumed nothing commit an offset all the
// same, the one it stands at: only so does the broker check that this worker
// still owns what it writes for.
func (s *session) fence(req *kmsg.TxnOffsetCommitRequest) error {
	for _, topic := range req.Topics {
		if len(topic.Partitions) > 0 {
			return nil
		}
	}
	topic := kmsg.NewTxnOffsetCommitRequestTopic()
	topic.Topic = s.w.stage.Input
	topic.TopicID = s.w.topicIDs[s.w.stage.Input]
	meta := req.MemberID
	add := func(t *taskRunner) {
		p := kmsg.NewTxnOffsetCommitRequestTopicPartition()
		p.Partition = t.partition
		p.Offset = t.clock.position
		p.Metadata = &meta
		topic.Partitions = append(topic.Partitions, p)
	}
	for _, t := range s.touched {
		add(t)
	}
	if len(topic.Partitions) == 0 {
		for _, t := range s.tasks {
			add(t)
			break
		}
	}
	req.Topics = append(req.Topics, topic)
	return nil
}

// committed applies the transaction to the database. Writes of a partition
// that was revoked meanwhile are left to whoever restores it.
func (s *session) committed() error {
	s.applying.Lock()
	defer s.applying.Unlock()
	now := time.Now()
	var b batch
	var after []func()
	for _, t := range s.touched {
		if a := s.owners[t.partition]; a == nil || s.tasks[t.partition] != t || !s.owned(a) {
			continue
		}
		t.collect(&b, now)
		after = append(after, t.after...)
		t.after = nil
	}
	for _, t := range s.tasks {
		t.committed = t.clock.clone()
		clear(s.poison[t.partition])
	}
	s.touched = s.touched[:0]
	s.markers = false
	if len(b.writes) > 0 {
		if err := s.w.db.apply(&b); err != nil {
			return err
		}
	}
	for _, f := range after {
		f()
	}
	s.w.update(func(st *Status) { st.Commits++ })
	return nil
}

// aborted forgets the transaction; its records will be read again.
func (s *session) aborted() error {
	s.takeProduceErr()
	for _, t := range s.touched {
		if s.tasks[t.partition] == t {
			if err := t.renew(); err != nil {
				return err
			}
		}
	}
	s.touched = s.touched[:0]
	s.markers = false
	for _, t := range s.tasks {
		t.clock = t.committed.clone()
		t.frontier = min(t.frontier, max(t.clock.sources.micro(), t.clock.lastMicro))
	}
	s.w.update(func(st *Status) { st.Aborts++ })
	return nil
}

// report updates the worker's status.
func (s *session) report(restoring int) {
	var lag, frontier int64
	for p, t := range s.tasks {
		lag += s.lags[p]
		if frontier == 0 || t.frontier < frontier {
			frontier = t.frontier
		}
	}
	s.w.update(func(st *Status) {
		st.Tasks, st.Restoring, st.Lag = len(s.tasks), restoring, lag
		st.Frontier = time.Time{}
		if frontier > 0 {
			st.Frontier = time.UnixMicro(frontier).UTC()
		}
		switch {
		case restoring > 0:
			st.Ready, st.Detail = false, fmt.Sprintf("restoring state of %d tasks", restoring)
		case s.failures > 0:
			st.Ready, st.Detail = false, "transactions fail"
		default:
			st.Ready, st.Detail = true, ""
		}
	})
}
