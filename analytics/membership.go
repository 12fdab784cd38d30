package analytics

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthorn/posthorn/internal/kafka"
)

// errFenced says that the lane belongs to another member now.
var errFenced = errors.New("the lane has another owner")

// membership is a member of a lane's group. It reads nothing: the group only
// decides who owns the lane, and keeps its records.
type membership struct {
	client *kgo.Client
	group  string
	topic  string
	static bool
	// abandon ends the client's requests, whatever they wait for.
	abandon context.CancelFunc

	mu      sync.Mutex
	current *tenure       // nil while standing by
	changed chan struct{} // closed when current changes
}

// tenure is the time in which a member owns its lane. ctx ends with it.
type tenure struct {
	ctx        context.Context
	cancel     context.CancelFunc
	partitions []int32
}

func join(cfg SinkConfig, topic string, lane int) (*membership, error) {
	life, abandon := context.WithCancel(context.Background())
	m := &membership{group: groupName(topic, lane), topic: topic, static: cfg.InstanceID != "", abandon: abandon, changed: make(chan struct{})}
	lost := func(context.Context, *kgo.Client, map[string][]int32) { m.set(nil) }
	opts := []kgo.Opt{
		kgo.ConsumerGroup(m.group),
		kgo.ConsumeTopics(topic),
		kgo.Balancers(laneBalancer{topic, lane, cfg.Lanes, &heldPartitions{}}),
		kgo.DisableAutoCommit(),
		kgo.WithContext(life),
		kgo.SessionTimeout(cfg.SessionTimeout),
		kgo.HeartbeatInterval(cfg.SessionTimeout / 4),
		kgo.OnPartitionsAssigned(func(ctx context.Context, _ *kgo.Client, assigned map[string][]int32) {
			if partitions := assigned[topic]; len(partitions) > 0 {
				m.set(partitions)
			}
		}),
		kgo.OnPartitionsRevoked(lost),
		kgo.OnPartitionsLost(lost),
	}
	if cfg.InstanceID != "" {
		opts = append(opts, kgo.InstanceID(cfg.InstanceID))
	}
	client, err := kafka.NewConsumer(cfg.Kafka, opts...)
	if err != nil {
		abandon()
		return nil, fmt.Errorf("joining group %s: %w", m.group, err)
	}
	client.PauseFetchTopics(topic)
	m.client = client
	return m, nil
}

func groupName(topic string, lane int) string {
	return fmt.Sprintf("posthorn-sink.%s.%d", topic, lane)
}

// set begins a tenure over partitions, or ends the current one for nil.
func (m *membership) set(partitions []int32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.current != nil {
		m.current.cancel()
		m.current = nil
	}
	if partitions != nil {
		ctx, cancel := context.WithCancel(context.Background())
		m.current = &tenure{ctx, cancel, partitions}
	}
	close(m.changed)
	m.changed = make(chan struct{})
}

// next waits until the lane is owned and returns the tenure.
func (m *membership) next(ctx context.Context) (*tenure, error) {
	for {
		m.mu.Lock()
		current, changed := m.current, m.changed
		m.mu.Unlock()
		if current != nil {
			return current, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-changed:
		}
	}
}

// request takes the group's generation into req, under the lock that a loss of
// the lane takes as well: a tenure that has ended never speaks with the
// generation of a later one.
func (m *membership) request(t *tenure, req *kmsg.OffsetCommitRequest) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.current != t {
		return errFenced
	}
	req.MemberID, req.Generation = m.client.GroupMetadata()
	return nil
}

// commit writes a record of the lane. It is tried again while the group is in
// motion, and returns errFenced once the lane is lost.
//
// Newer brokers take the topic by its id, which also refuses records for a topic
// that was made anew meanwhile.
func (m *membership) commit(ctx context.Context, t *tenure, instance string, id kadm.TopicID, partitions []kmsg.OffsetCommitRequestTopicPartition) error {
	for {
		req := kmsg.NewPtrOffsetCommitRequest()
		req.Group = m.group
		if instance != "" {
			req.InstanceID = &instance
		}
		if err := m.request(t, req); err != nil {
			return err
		}
		topic := kmsg.NewOffsetCommitRequestTopic()
		topic.Topic, topic.TopicID, topic.Partitions = m.topic, id, partitions
		req.Topics = append(req.Topics, topic)
		err := commitError(req.RequestWith(ctx, m.client))
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case !groupInMotion(err):
			return fmt.Errorf("recording a batch in group %s: %w", m.group, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func commitError(resp *kmsg.OffsetCommitResponse, err error) error {
	if err != nil {
		return err
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return err
			}
		}
	}
	return nil
}

// groupInMotion tells of answers to a member that must first hear from its
// group: it then either has a newer generation or has lost the lane.
func groupInMotion(err error) bool {
	return errors.Is(err, kerr.RebalanceInProgress) || errors.Is(err, kerr.IllegalGeneration) ||
		errors.Is(err, kerr.UnknownMemberID) || errors.Is(err, kerr.FencedInstanceID)
}

// leaveLimit is how long a member waits for its group before it leaves without
// having heard from it.
const leaveLimit = 2 * time.Second

// close leaves the group, so that another member takes over at once. While the
// group is in motion the client would first wait for the others to join, for up
// to the rebalance timeout of a minute where one of them is dead.
func (m *membership) close() {
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		m.client.Close()
	}()
	select {
	case <-closed:
	case <-time.After(leaveLimit):
		m.leave()
		m.abandon()
		<-closed
	}
	m.abandon()
	m.set(nil)
}

// leave takes the member out of the group while the client waits. A static one
// keeps its lanes for as long as a restart takes.
func (m *membership) leave() {
	id, _ := m.client.GroupMetadata()
	if id == "" || m.static {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), leaveLimit)
	defer cancel()
	req := kmsg.NewPtrLeaveGroupRequest()
	member := kmsg.NewLeaveGroupRequestMember()
	member.MemberID = id
	req.Group, req.MemberID, req.Members = m.group, id, append(req.Members, member)
	_, _ = req.RequestWith(ctx, m.client) // else the session timeout takes it out
}
