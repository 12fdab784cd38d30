package stream

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthorn/posthorn/internal/kafka"
)

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

// complete adds to the transaction what belongs at its end: timers that are
// due, aggregates, changelogs and frontier markers.
func (s *session) complete() (err error) {
	defer recovered(&err, func() string { return "flush" })
	if err := s.advance(); err != nil {
		return err
	}
	for _, t := range s.touched {
		s.doing.enter(phaseFlushing, t.partition)
		if err := t.task.Flush(t); err != nil {
			return fmt.Errorf("flushing %s partition %d: %w", s.w.stage.Name, t.partition, err)
		}
	}
	for _, t := range s.touched {
		s.doing.enter(phaseProducing, t.partition)
		t.produceChangelogs()
	}
	if s.markerDue(time.Now()) {
		s.lastMarker = time.Now()
		s.produceMarkers()
	}
	return s.w.disk.check() // what is committed is written next
}

// advance moves the frontier of each task and fires the timers that are due.
func (s *session) advance() (err error) {
	defer recovered(&err, func() string { return "timer" })
	s.advanced, s.heard, s.overdue = time.Now(), false, false
	ends := s.ends.Load()
	for _, t := range s.tasks {
		micro := t.clock.sources.micro()
		if s.w.stage.Root {
			micro = rootFrontier(ends, t.partition, t.clock.position, t.clock.lastMicro, s.w.allowance.Load())
			if s.w.stage.Hold != nil {
				micro = t.clock.hold.limit(ends, t.partition, t.clock.position, micro)
			}
		}
		s.doing.enter(phaseTimers, t.partition)
		if err := t.advance(micro); err != nil {
			return err
		}
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
	// A root's marker that says nothing yet still shows the brokers' time.
	if len(m.frontiers) == 0 && !s.w.stage.Root {
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
	s.cl.Produce(s.hard, rec, func(rec *kgo.Record, err error) {
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
	ctx, cancel := context.WithTimeout(s.hard, endTimeout)
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
	ctx, cancel := context.WithTimeout(s.hard, endTimeout)
	defer cancel()
	start := time.Now()
	s.doing.enter(phaseEnding, -1)
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
	if commit && !committed {
		if err := s.checkAborted(ctx); err != nil {
			return false, err
		}
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
	if s.records > 0 {
		s.lastRecord = time.Now()
	}
	s.records, s.timers, s.newest = 0, 0, time.Time{}
	return committed, err
}

// checkAborted returns an error where a transaction was committed of which the
// client says that it was not: of a commit that a broker answered with an
// unknown error it can't know.
func (s *session) checkAborted(ctx context.Context) error {
	committed, err := s.stableOffsets(ctx)
	if err != nil {
		return fmt.Errorf("asking what became of a transaction: %w", err)
	}
	tag := s.tag()
	for _, o := range committed[s.w.stage.Input] {
		if o.At >= 0 && o.Metadata == tag {
			return errors.New("the transaction was committed, but the answer to that was an error")
		}
	}
	return nil
}

// tag is the metadata of the open transaction's offsets, which no other has.
func (s *session) tag() string {
	return fmt.Sprintf("%s %d", s.w.cfg.TransactionalID, s.began.UnixNano())
}

// fence tags the offsets of a transaction. One that consumed nothing it makes
// commit an offset all the same, the one it stands at: only so does the broker
// check that this worker still owns what it writes for.
func (s *session) fence(req *kmsg.TxnOffsetCommitRequest) error {
	tag, consumed := s.tag(), false
	for _, topic := range req.Topics {
		for i := range topic.Partitions {
			topic.Partitions[i].Metadata, consumed = &tag, true
		}
	}
	if consumed {
		return nil
	}
	topic := kmsg.NewTxnOffsetCommitRequestTopic()
	topic.Topic = s.w.stage.Input
	topic.TopicID = s.w.topicIDs[s.w.stage.Input]
	add := func(t *taskRunner) {
		p := kmsg.NewTxnOffsetCommitRequestTopicPartition()
		p.Partition = t.partition
		p.Offset = t.clock.position
		p.Metadata = &tag
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
	s.doing.enter(phaseApplying, -1)
	now := s.w.cfg.Clock()
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
		t.clock.frontier = t.frontier
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
		// What was processed since is still to come: beyond it no timer may fire.
		t.frontier = t.clock.frontier
	}
	s.w.update(func(st *Status) { st.Aborts++ })
	return nil
}
