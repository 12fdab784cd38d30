package stream

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// loop is the session's one goroutine for everything that touches tasks.
func (s *session) loop(ctx context.Context) error {
	for {
		if err := s.adopt(); err != nil {
			return err
		}
		if err := s.work(ctx); err != nil {
			return err // of what is open nothing may be committed any more
		}
		if ctx.Err() != nil {
			return s.finish()
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
	for p, a := range s.assigned {
		if a.restored && s.owners[p] != a {
			restored = append(restored, a)
		}
	}
	for p, a := range s.owners {
		if s.assigned[p] != a {
			delete(s.owners, p)
			delete(s.tasks, p)
			delete(s.poison, p)
		}
	}
	s.mu.Unlock()
	if fatal != nil {
		return fatal
	}
	s.refused = 0
	for _, a := range restored {
		if time.Now().Before(a.again) {
			s.refused++
			continue
		}
		t, err := newTaskRunner(s, a.partition, a.position)
		if err != nil {
			// The tasks that are there go on: they may have work to end.
			s.refused++
			a.again = time.Now().Add(backOff(a.failures))
			a.failures++
			s.w.setError("a task can't be made", err)
			s.w.log.Warn("task not made, trying again", "error", err, "failures", a.failures)
			continue
		}
		s.tasks[a.partition] = t
		_, s.ticking = t.task.(Ticker)
		s.owners[a.partition] = a
		s.cl.ResumeFetchPartitions(map[string][]int32{s.w.stage.Input: {a.partition}})
	}
	s.report(len(restored) > s.refused)
	return nil
}

// work is one turn of the loop: poll, process, and commit when it is time.
func (s *session) work(ctx context.Context) error {
	s.noteQuiet()
	var fetches kgo.Fetches
	cause := s.w.disk.check()
	if cause == nil {
		var err error
		if fetches, err = s.poll(ctx); err != nil {
			return err
		}
		cause = s.process(fetches)
	}
	if cause == nil {
		cause = s.tick()
	}
	now := time.Now()
	if cause == nil && !s.inTxn && s.frontierMoves(now) {
		// Nothing comes to an idle input that would open a transaction: a timer does.
		cause = s.advance()
	}
	if !s.inTxn && cause == nil {
		if err := s.w.db.settle(now); err != nil {
			return err
		}
	}
	due := s.inTxn && (now.Sub(s.began) >= s.interval() || s.records >= maxTransaction || s.overdue)
	if cause == nil && !due && !s.inTxn && s.markerDue(now) && len(s.tasks) > 0 &&
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
				s.pause(ctx, 0) // the group rebalanced
				return nil
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
	if err := s.w.db.health(); err != nil {
		return err // to try again on the same files would not help
	}
	s.failures++
	s.w.setError(fmt.Sprintf("%d transactions in a row have failed", s.failures), cause)
	s.w.log.Warn("transaction aborted", "error", cause, "failures", s.failures)
	s.pause(ctx, s.failures)
	return nil
}

// errRetryNow aborts a transaction to do it again at once.
var errRetryNow = errors.New("transaction is done again")

// pause waits before an aborted transaction is done again.
func (s *session) pause(ctx context.Context, failures int) {
	s.doing.enter(phasePausing, -1)
	select {
	case <-ctx.Done():
	case <-time.After(backOff(failures)):
	}
}

// backOff is the time before what has failed so often is done again.
func backOff(failures int) time.Duration {
	wait := min(30*time.Second, 50*time.Millisecond<<min(failures, 10))
	return wait - time.Duration(rand.Int64N(int64(wait/4)))
}

// poll waits for records until the next commit is due, or Wake or a restore
// interrupts it.
func (s *session) poll(ctx context.Context) (kgo.Fetches, error) {
	s.doing.enter(phasePolling, -1)
	pollCtx, cancel := context.WithTimeout(ctx, s.pollTime())
	s.w.wake.interrupts(cancel)
	fetches := s.gs.PollRecords(pollCtx, maxPoll)
	s.w.wake.interrupts(nil)
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
	// The client repeats by itself what may pass. What it tells, it tells once:
	// records of other partitions that came with it must not hide it.
	return fetches, failed
}

// pollTime is how long to wait for records.
func (s *session) pollTime() time.Duration {
	switch {
	case s.overdue:
		return time.Millisecond
	case s.inTxn:
		return max(time.Millisecond, s.interval()-time.Since(s.began))
	case s.ticking || s.refused > 0:
		if s.quiet.Load() {
			return max(s.w.cfg.CommitInterval, quietTick)
		}
		return s.w.cfg.CommitInterval
	}
	// Nothing is due before the next marker; if that were due, it would have
	// been written.
	interval := s.markerInterval()
	if left := interval - time.Since(s.lastMarker); left > 0 {
		return left
	}
	return interval
}

func (s *session) noteQuiet() { s.quiet.Store(time.Since(s.lastRecord) > quietAfter) }

// frontierMoves tells whether timers may have become due.
func (s *session) frontierMoves(now time.Time) bool {
	if s.overdue {
		return true
	}
	if s.w.stage.Root {
		return s.markerDue(now)
	}
	return s.heard
}

// markerDue tells whether it is time for a marker. A quiet root writes one for each
// answer to how long its input is, at once: nothing else moves its frontier.
func (s *session) markerDue(now time.Time) bool {
	since := now.Sub(s.lastMarker)
	if e := s.ends.Load(); s.w.stage.Root && s.quiet.Load() && e != nil && since < 2*s.markerInterval() {
		return e.at.After(s.lastMarker)
	}
	return since >= s.markerInterval()
}

// markerInterval is the time between two markers, or commits of markers alone.
// A root keeps to the shorter one: all timers wait for its markers. What other
// stages hear moves their own timers at once.
func (s *session) markerInterval() time.Duration {
	switch {
	case !s.quiet.Load():
		return frontierInterval
	case s.w.stage.Root:
		return quietFactor * frontierInterval
	}
	return 2 * quietFactor * frontierInterval
}

// interval is the time between two transactions. Where the input is behind
// anyway they are larger, and so cheaper by record: it catches up sooner.
func (s *session) interval() time.Duration {
	if time.Since(s.newest) > backlogAge && s.records > 0 {
		return max(s.w.cfg.CommitInterval, min(backlogFactor*s.w.cfg.CommitInterval, maxBacklogInterval))
	}
	return s.w.cfg.CommitInterval
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
	})
	return cause
}

func (s *session) processPartition(t *taskRunner, records []*kgo.Record) (err error) {
	defer recovered(&err, func() string { return fmt.Sprintf("partition %d offset %d", t.partition, t.clock.position-1) })
	s.doing.enter(phaseProcessing, t.partition)
	for _, rec := range records {
		s.doing.offset.Store(rec.Offset)
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
			s.markers, s.heard = true, true
			continue
		}
		t.touch()
		s.records++
		micro := rec.Timestamp.UnixMicro()
		if s.w.stage.Root && micro < t.frontier-time.Millisecond.Microseconds() {
			s.overrun(t, micro)
		}
		t.clock.lastMicro = max(t.clock.lastMicro, micro)
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

// overrun takes note of a record that arrived, by its broker's clock, before
// the moment up to which everything was said to be processed. Timers may have
// fired without it. From here on the frontier keeps a greater distance.
func (s *session) overrun(t *taskRunner, micro int64) {
	by := t.frontier - micro
	s.w.metrics.overruns.Inc()
	if before := s.w.allowance.Load(); by > 0 && before < by+idleAllowance.Microseconds() {
		s.w.allowance.Store(by + idleAllowance.Microseconds())
		s.w.log.Warn("a record arrived before the frontier: a broker's clock is behind the others",
			"partition", t.partition, "by", time.Duration(by)*time.Microsecond)
	}
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
	t.AfterCommit(func() {
		t.deadLetters++
		s.w.metrics.deadLetters.WithLabelValues(strconv.Itoa(int(t.partition))).Inc()
		s.w.update(func(st *Status) { st.DeadLetters++; st.LastError, st.ErrorAt = cause.Error(), s.w.cfg.Clock() })
	})
	s.w.log.Error("record sent to dead letters", "error", cause, "topic", s.w.stage.DeadLetter)
}

// tick lets tasks work on the wall clock.
func (s *session) tick() (err error) {
	defer recovered(&err, func() string { return "tick" })
	now := s.w.cfg.Clock()
	for _, t := range s.tasks {
		s.doing.enter(phaseTicking, t.partition)
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
