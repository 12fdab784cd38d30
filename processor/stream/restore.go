package stream

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/kafka"
)

const restoreBatch = 10_000

// restore brings the stores of new assignments up to their changelogs and
// hands each over as soon as it is done.
func (s *session) restore(ctx context.Context, as []*assignment) error {
	if err := s.findPositions(ctx, as); err != nil {
		return err
	}
	if len(s.w.stores) == 0 {
		for _, a := range as {
			s.restored(a)
		}
		return nil
	}
	if err := s.w.disk.check(); err != nil {
		return fmt.Errorf("restoring state: %w", err)
	}
	r := &restorer{s: s, pending: map[logPartition]*storeRestore{}, left: map[int32]int{}, owners: map[int32]*assignment{}}
	return r.run(ctx, as)
}

func (s *session) restored(a *assignment) {
	s.mu.Lock()
	a.restored = true
	s.mu.Unlock()
	s.w.Wake()
}

// findPositions asks where the group stands in the new partitions. A pending
// commit of another member is waited for.
func (s *session) findPositions(ctx context.Context, as []*assignment) error {
	input := s.w.stage.Input
	committed, err := s.stableOffsets(ctx)
	if err != nil {
		return err
	}
	starts, ends, err := s.bounds(ctx, input)
	if err != nil {
		return err
	}
	for _, a := range as {
		start, _ := starts.Lookup(input, a.partition)
		end, _ := ends.Lookup(input, a.partition)
		a.position = start.Offset
		if o, ok := committed.Lookup(input, a.partition); ok && o.At >= 0 {
			a.position = o.At
			err = errors.Join(err, s.checkPosition(o.Offset, start.Offset, end.Offset))
		}
	}
	return err
}

// stableOffsets asks what the group has committed, once all of its transactions
// under way are decided.
func (s *session) stableOffsets(ctx context.Context) (kadm.OffsetResponses, error) {
	for try := 0; ; try++ {
		committed, err := s.adm.FetchOffsetsForTopics(kadm.RequireStable(ctx), s.w.stage.Name, s.w.stage.Input)
		if err == nil {
			err = committed.Error()
		}
		if err == nil {
			return committed, nil
		}
		if try >= 100 || ctx.Err() != nil {
			return nil, fmt.Errorf("fetching offsets of group %s: %w", s.w.stage.Name, err)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

type logPartition struct {
	topic     string
	partition int32
}

// storeRestore is the restore of one store of one task.
type storeRestore struct {
	a       *assignment
	store   uint8
	at      position
	start   int64 // where the changelog begins
	target  int64 // read up to here: the high watermark after the assignment
	writes  map[string][]byte
	checked bool // the record at at.lastOffset was looked at
	moved   time.Time
}

type restorer struct {
	s       *session
	pending map[logPartition]*storeRestore
	left    map[int32]int // stores still to restore, by partition
	owners  map[int32]*assignment
	again   bool // a store begins anew: what the client has buffered of it is void
}

func (r *restorer) run(ctx context.Context, as []*assignment) error {
	var changelogs []string
	for _, name := range r.s.w.stores {
		changelogs = append(changelogs, ChangelogTopic(r.s.w.stage.Name, name))
	}
	starts, ends, err := r.s.bounds(ctx, changelogs...)
	if err != nil {
		return err
	}
	// A commit that was under way when the partition came back ends first.
	r.s.applying.Lock()
	for _, a := range as {
		r.owners[a.partition] = a
		for id, name := range r.s.w.stores {
			topic := ChangelogTopic(r.s.w.stage.Name, name)
			start, _ := starts.Lookup(topic, a.partition)
			end, ok := ends.Lookup(topic, a.partition)
			if !ok {
				err = errors.Join(err, fmt.Errorf("topic %s has no partition %d", topic, a.partition))
				continue
			}
			sr := &storeRestore{a: a, store: uint8(id), target: end.Offset, writes: map[string][]byte{}, moved: time.Now()}
			if e := r.resume(sr, topic, start.Offset); e != nil {
				err = errors.Join(err, e)
				continue
			}
			r.left[a.partition]++
			a.toRestore.Add(max(0, sr.target-sr.at.next))
			r.pending[logPartition{topic, a.partition}] = sr
		}
	}
	r.s.applying.Unlock()
	if err != nil {
		return err
	}
	for lp, sr := range r.pending {
		if sr.at.next >= sr.target && sr.checked {
			if err := r.done(lp, sr); err != nil {
				return err
			}
		}
	}
	for len(r.pending) > 0 {
		if err := r.read(ctx); err != nil {
			return err
		}
	}
	return nil
}

// bounds lists the log starts and high watermarks of topics: all that was
// written before, decided or not, lies between.
func (s *session) bounds(ctx context.Context, topics ...string) (starts, ends kadm.ListedOffsets, err error) {
	if starts, err = s.adm.ListStartOffsets(ctx, topics...); err == nil {
		err = starts.Error()
	}
	if err == nil {
		if ends, err = s.adm.ListEndOffsets(ctx, topics...); err == nil {
			err = ends.Error()
		}
	}
	if err != nil {
		err = fmt.Errorf("listing offsets of %s: %w", strings.Join(topics, ", "), err)
	}
	return starts, ends, err
}

// resume decides whether the store on this machine can be trusted as a
// beginning of its changelog; one that can't is dropped and restored in full.
func (r *restorer) resume(sr *storeRestore, topic string, start int64) error {
	at, ok, err := r.s.w.db.position(sr.a.partition, sr.store)
	if err != nil && !errors.Is(err, errPosition) {
		return err
	}
	why, now := "", r.s.w.cfg.Clock()
	switch {
	case err != nil:
		ok, why = true, err.Error()
	case !ok:
		// Nothing recorded: make sure that nothing is there.
		why = "new"
	case at.topicID != r.s.w.topicIDs[topic]:
		why = "its changelog is another topic"
	case at.next > sr.target:
		why = "it is ahead of its changelog"
	case at.next < start:
		why = "its changelog begins later"
	case now.Sub(at.committed) > r.s.w.cfg.ChangelogRetention/2:
		// Tombstones may have been compacted away: deleted keys would live on.
		why = "it is older than deletions are kept"
	case at.committed.Sub(now) > r.s.w.cfg.ChangelogRetention/4:
		// A clock that was wrong by less leaves the age below the retention.
		why = "it comes from the future"
	}
	if why == "" {
		sr.at, sr.start = at, start
		// Without its last record, deleted meanwhile, there is nothing to compare.
		sr.checked = at.lastOffset < start
		return nil
	}
	if ok {
		r.setAside(sr, topic, why)
	}
	return r.reset(sr, topic, start)
}

func (r *restorer) setAside(sr *storeRestore, topic, why string) {
	r.s.w.log.Warn("state set aside, restoring in full", "partition", sr.a.partition, "changelog", topic, "because", why)
}

// reset begins a store anew, at the start of its changelog.
func (r *restorer) reset(sr *storeRestore, topic string, start int64) error {
	sr.at = position{topicID: r.s.w.topicIDs[topic], next: start, lastOffset: -1}
	sr.start, sr.checked = start, true
	clear(sr.writes)
	return r.s.w.db.drop(sr.a.partition, sr.store)
}

// read reads the changelogs until all stores are restored, or one has to begin
// anew.
func (r *restorer) read(ctx context.Context) error {
	from := map[string]map[int32]kgo.Offset{}
	for lp, sr := range r.pending {
		if from[lp.topic] == nil {
			from[lp.topic] = map[int32]kgo.Offset{}
		}
		at := sr.at.next
		if !sr.checked {
			at = sr.at.lastOffset // look at the last record applied again
		}
		from[lp.topic][lp.partition] = kgo.NewOffset().At(at)
	}
	cl, err := kafka.NewConsumer(r.s.w.cfg.Kafka, kgo.ConsumePartitions(from), kgo.KeepControlRecords())
	if err != nil {
		return err
	}
	defer cl.Close()
	for r.again = false; len(r.pending) > 0 && !r.again; {
		if err := r.poll(ctx, cl); err != nil {
			return err
		}
	}
	return nil
}

func (r *restorer) poll(ctx context.Context, cl *kgo.Client) error {
	pollCtx, cancel := context.WithTimeout(ctx, time.Second)
	fetches := cl.PollRecords(pollCtx, restoreBatch)
	cancel()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var failed error
	fetches.EachError(func(topic string, p int32, err error) {
		if !errors.Is(err, context.DeadlineExceeded) {
			failed = errors.Join(failed, fmt.Errorf("restoring from %s partition %d: %w", topic, p, err))
		}
	})
	if failed != nil {
		return failed
	}
	fetches.EachPartition(func(fp kgo.FetchTopicPartition) {
		lp := logPartition{fp.Topic, fp.Partition}
		if sr := r.pending[lp]; sr != nil && failed == nil && len(fp.Records) > 0 {
			failed = r.apply(lp, sr, fp.Records)
		}
	})
	if failed != nil {
		return failed
	}
	return r.skipEmptyTails(ctx, cl)
}

func (r *restorer) apply(lp logPartition, sr *storeRestore, records []*kgo.Record) error {
	if !r.s.owned(sr.a) {
		// Given to another member meanwhile: nothing more to do for it here.
		delete(r.pending, lp)
		return nil
	}
	sr.moved = time.Now()
	sr.a.moved.Store(sr.moved.UnixNano())
	from := sr.at.next
	defer func() { sr.a.restoredOffsets.Add(max(0, sr.at.next-from)) }()
	for _, rec := range records {
		if rec.Attrs.IsControl() {
			sr.at.next = max(sr.at.next, rec.Offset+1)
			continue
		}
		if !sr.checked {
			sr.checked = true
			if rec.Offset == sr.at.lastOffset && recordCRC(rec.Key, rec.Value) != sr.at.lastCRC {
				// An unclean election of the broker, or files that were copied.
				return r.beginAnew(lp, sr)
			}
		}
		if rec.Offset < sr.at.next {
			continue
		}
		sr.writes[string(rec.Key)] = rec.Value
		sr.at.next, sr.at.lastOffset, sr.at.lastCRC = rec.Offset+1, rec.Offset, recordCRC(rec.Key, rec.Value)
		r.s.w.metrics.restored.Inc()
	}
	if len(sr.writes) >= restoreBatch {
		if err := r.write(sr); err != nil {
			return err
		}
	}
	if sr.at.next >= sr.target {
		return r.done(lp, sr)
	}
	return nil
}

func (r *restorer) beginAnew(lp logPartition, sr *storeRestore) error {
	r.s.applying.Lock()
	defer r.s.applying.Unlock()
	if !r.s.owned(sr.a) {
		return nil
	}
	r.setAside(sr, lp.topic, "its last record is not the changelog's")
	r.again = true
	sr.a.toRestore.Add(max(0, sr.at.next-sr.start))
	return r.reset(sr, lp.topic, sr.start)
}

func (r *restorer) write(sr *storeRestore) error {
	if err := r.s.w.disk.check(); err != nil {
		return fmt.Errorf("restoring state: %w", err)
	}
	r.s.applying.Lock()
	defer r.s.applying.Unlock()
	if !r.s.owned(sr.a) {
		return nil
	}
	b := batch{restored: true, writes: make([]write, 0, len(sr.writes))}
	for key, value := range sr.writes {
		b.writes = append(b.writes, write{sr.a.partition, sr.store, key, value})
	}
	clear(sr.writes)
	sr.at.committed = r.s.w.cfg.Clock()
	b.positions = []storePosition{{sr.a.partition, sr.store, sr.at}}
	return r.s.w.db.apply(&b)
}

func (r *restorer) done(lp logPartition, sr *storeRestore) error {
	delete(r.pending, lp)
	if err := r.write(sr); err != nil {
		return err
	}
	if r.left[lp.partition]--; r.left[lp.partition] == 0 {
		r.s.restored(r.owners[lp.partition])
	}
	return nil
}
