package analytics

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// errFatal marks what no retry can mend and what must not be passed over: data
// were deleted before they were read, or the topic is another one.
var errFatal = errors.New("the sink cannot go on")

// ledger reads and writes the records of a lane's batches.
type ledger struct {
	admin   *kadm.Client
	member  *membership
	cfg     SinkConfig
	topic   string
	lane    int
	topicID kadm.TopicID
	seq     int64
}

// load reads the lane's last record and checks it against the topic.
func (l *ledger) load(ctx context.Context, partitions []int32) (plan, error) {
	id, err := l.findTopic(ctx)
	if err != nil {
		return plan{}, err
	}
	l.topicID = id
	marks, err := l.marks(ctx, groupName(l.topic, l.lane))
	if err != nil {
		return plan{}, err
	}
	starts, err := l.admin.ListStartOffsets(ctx, l.topic)
	if err = errors.Join(err, starts.Error()); err != nil {
		return plan{}, fmt.Errorf("listing start offsets of %s: %w", l.topic, err)
	}
	ends, err := l.admin.ListCommittedOffsets(ctx, l.topic)
	if err = errors.Join(err, ends.Error()); err != nil {
		return plan{}, fmt.Errorf("listing end offsets of %s: %w", l.topic, err)
	}
	if len(marks) == 0 {
		if err := l.checkFirst(ctx); err != nil {
			return plan{}, err
		}
	}
	newest := int64(0)
	for _, m := range marks {
		newest = max(newest, m.note.seq)
	}
	mine := make(map[int32]mark, len(partitions))
	for _, p := range partitions {
		start, _ := starts.Lookup(l.topic, p)
		end, _ := ends.Lookup(l.topic, p)
		m, ok := marks[p]
		if !ok && newest > 1 {
			return plan{}, fmt.Errorf("%w: partition %d of %s has no record although its lane has: partitions were added", errFatal, p, l.topic)
		}
		if !ok {
			mine[p] = mark{from: start.Offset, note: note{to: start.Offset}}
			continue
		}
		if err := l.check(p, m, start.Offset, end.Offset); err != nil {
			return plan{}, err
		}
		mine[p] = m
	}
	result := recoverPlan(mine)
	l.seq = result.seq
	return result, nil
}

func (l *ledger) check(p int32, m mark, start, end int64) error {
	switch {
	case m.note.lanes != l.cfg.Lanes:
		return fmt.Errorf("%w: %s was read in %d lanes, now it is to be read in %d: the number cannot change", errFatal, l.topic, m.note.lanes, l.cfg.Lanes)
	case m.note.topicID != l.topicID.String():
		return fmt.Errorf("%w: topic %s was deleted and made anew (id %s, recorded %s)", errFatal, l.topic, l.topicID, m.note.topicID)
	case m.from < start && m.from < m.note.to, m.note.to < start:
		return fmt.Errorf("%w: offset %d of %s partition %d is out of range: the topic begins at %d, data were deleted before they were read", errFatal, m.from, l.topic, p, start)
	case m.note.to > end:
		return fmt.Errorf("%w: offset %d of %s partition %d is out of range: the topic ends at %d, it has lost data", errFatal, m.note.to, l.topic, p, end)
	}
	return nil
}

// checkFirst is for a lane without records: there must be none because the
// topic was never read, not because it was read in another number of lanes.
func (l *ledger) checkFirst(ctx context.Context) error {
	if l.lane == 0 {
		return nil
	}
	marks, err := l.marks(ctx, groupName(l.topic, 0))
	if err != nil {
		return err
	}
	for p, m := range marks {
		if m.note.lanes != l.cfg.Lanes {
			return l.check(p, m, 0, m.note.to)
		}
	}
	return nil
}

func (l *ledger) findTopic(ctx context.Context) (kadm.TopicID, error) {
	topics, err := l.admin.ListTopics(ctx, l.topic)
	if err == nil {
		err = topics.Error()
	}
	if err != nil {
		return kadm.TopicID{}, fmt.Errorf("describing topic %s: %w", l.topic, err)
	}
	return topics[l.topic].ID, nil
}

func (l *ledger) marks(ctx context.Context, group string) (map[int32]mark, error) {
	offsets, err := l.admin.FetchOffsetsForTopics(ctx, group, l.topic)
	if errors.Is(err, kerr.GroupIDNotFound) {
		return nil, nil // Nobody has ever joined.
	}
	if err = errors.Join(err, offsets.Error()); err != nil {
		return nil, fmt.Errorf("reading the records of group %s: %w", group, err)
	}
	marks := map[int32]mark{}
	for p, o := range offsets[l.topic] {
		if o.At < 0 {
			continue
		}
		n, err := parseNote(o.Metadata)
		if err != nil {
			return nil, fmt.Errorf("%w: group %s, partition %d: %w", errFatal, group, p, err)
		}
		marks[p] = mark{from: o.At, note: n}
	}
	return marks, nil
}

// record writes that v is about to be inserted and all before it is done.
func (l *ledger) record(ctx context.Context, t *tenure, v vector) error {
	var request []kmsg.OffsetCommitRequestTopicPartition
	for _, p := range slices.Sorted(maps.Keys(v)) {
		part := kmsg.NewOffsetCommitRequestTopicPartition()
		part.Partition, part.Offset = p, v[p].from
		text := note{lanes: l.cfg.Lanes, seq: l.seq + 1, to: v[p].to, topicID: l.topicID.String()}.String()
		part.Metadata = &text
		request = append(request, part)
	}
	if err := l.member.commit(ctx, t, l.cfg.InstanceID, l.topicID, request); err != nil {
		return err
	}
	l.seq++
	return nil
}
