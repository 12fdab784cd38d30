package analytics

import (
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// laneBalancer gives all partitions of a lane to one member of its group, the
// one that has them already if it is still there. The others stand by.
type laneBalancer struct {
	topic       string
	lane, lanes int
	held        *heldPartitions
}

// heldPartitions is what a member was last given. The client itself forgets it
// before it joins again, since all members give everything back first.
type heldPartitions struct {
	mu         sync.Mutex
	partitions []int32
}

func (h *heldPartitions) set(partitions []int32) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.partitions = partitions
}

func (h *heldPartitions) get() []int32 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.partitions
}

func (b laneBalancer) ProtocolName() string { return "posthorn-lane" }
func (b laneBalancer) IsCooperative() bool  { return false }

func (b laneBalancer) JoinGroupMetadata(topics []string, _ map[string][]int32, generation int32) []byte {
	meta := kmsg.NewConsumerMemberMetadata()
	meta.Version = 2 // The first that tells the generation.
	meta.Topics = topics
	meta.Generation = generation
	if partitions := b.held.get(); len(partitions) > 0 {
		o := kmsg.NewConsumerMemberMetadataOwnedPartition()
		o.Topic, o.Partitions = b.topic, partitions
		meta.OwnedPartitions = append(meta.OwnedPartitions, o)
	}
	return meta.AppendTo(nil)
}

func (b laneBalancer) ParseSyncAssignment(assignment []byte) (map[string][]int32, error) {
	assigned, err := kgo.ParseConsumerSyncAssignment(assignment)
	b.held.set(assigned[b.topic])
	return assigned, err
}

func (b laneBalancer) MemberBalancer(members []kmsg.JoinGroupResponseMember) (kgo.GroupMemberBalancer, map[string]struct{}, error) {
	c, err := kgo.NewConsumerBalancer(b, members)
	if err != nil {
		return nil, nil, err
	}
	return c, c.MemberTopics(), nil
}

// Balance implements kgo.ConsumerBalancerBalance.
func (b laneBalancer) Balance(c *kgo.ConsumerBalancer, topics map[string]int32) kgo.IntoSyncAssignment {
	plan := c.NewPlan()
	members := c.Members()
	if len(members) == 0 {
		return plan
	}
	owner, newest := b.lane%len(members), int32(-1)
	for i := range members {
		// A member whose membership had ended comes back without a generation:
		// what it held may be another's by now.
		_, meta := c.MemberAt(i)
		if len(meta.OwnedPartitions) > 0 && meta.Generation > newest {
			owner, newest = i, meta.Generation
		}
	}
	plan.AddPartitions(&members[owner], b.topic, lanePartitions(topics[b.topic], b.lane, b.lanes))
	return plan
}

// lanePartitions lists the partitions of a lane: p belongs to lane p % lanes.
func lanePartitions(partitions int32, lane, lanes int) []int32 {
	var out []int32
	for p := int32(lane); p < partitions; p += int32(lanes) {
		out = append(out, p)
	}
	return out
}
