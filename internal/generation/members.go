package generation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/posthorn/posthorn/schemas"
)

// Stages are those that each generation has of its own.
var Stages = []string{"normalize", "engagement", "campaign"}

// member is what a group says of one of its members.
type member struct {
	instance string // of a static one
	// topics is what it reads; nil while the group rebalances and nothing is
	// known.
	topics []string
}

// membersOf lists the members of groups, of whichever protocol.
func membersOf(ctx context.Context, adm *kadm.Client, groups ...string) (list []member, err error) {
	classic, err := adm.DescribeGroups(ctx, groups...)
	if err != nil {
		return nil, fmt.Errorf("describing groups: %w", err)
	}
	var others []string
	for _, g := range classic {
		if errors.Is(g.Err, kerr.GroupIDNotFound) || g.Err == nil && len(g.Members) == 0 {
			others = append(others, g.Group) // none, empty, or of the other protocol
			continue
		}
		if g.Err != nil {
			return nil, fmt.Errorf("describing group %s: %w", g.Group, g.Err)
		}
		for _, m := range g.Members {
			found := member{instance: deref(m.InstanceID)}
			if meta, ok := m.Join.AsConsumer(); ok {
				found.topics = meta.Topics
			}
			list = append(list, found)
		}
	}
	if len(others) == 0 {
		return list, nil
	}
	described, err := adm.DescribeConsumerGroups(ctx, others...)
	if err != nil {
		return nil, fmt.Errorf("describing groups: %w", err)
	}
	for _, g := range described {
		if g.Err != nil && !errors.Is(g.Err, kerr.GroupIDNotFound) {
			return nil, fmt.Errorf("describing group %s: %w", g.Group, g.Err)
		}
		for _, m := range g.Members {
			list = append(list, member{deref(m.InstanceID), m.SubscribedTopics})
		}
	}
	return list, nil
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// Members counts the members of a generation's stages.
func Members(ctx context.Context, adm *kadm.Client, g schemas.Generation) (int, error) {
	var groups []string
	for _, stage := range Stages {
		groups = append(groups, g.Name(stage))
	}
	members, err := membersOf(ctx, adm, groups...)
	return len(members), err
}

// AwaitVacant waits until no member of a group reads a topic other than this
// one: the workers of another generation, which share the group's state, have
// left. What instance was itself, as a static member, is taken out.
func AwaitVacant(ctx context.Context, adm *kadm.Client, group, topic, instance string) error {
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		other, err := hasOther(ctx, adm, group, topic, instance)
		if err == nil && !other {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-time.After(pause):
		}
	}
}

func hasOther(ctx context.Context, adm *kadm.Client, group, topic, instance string) (bool, error) {
	members, err := membersOf(ctx, adm, group)
	if err != nil {
		return false, err
	}
	for _, m := range members {
		if slices.Contains(m.topics, topic) {
			continue
		}
		if m.topics == nil || instance == "" || m.instance != instance {
			return true, nil
		}
		// A static member does not leave by itself; the others wait for it.
		left, err := adm.LeaveGroup(ctx, kadm.LeaveGroup(group).InstanceIDs(instance))
		if err == nil {
			err = left.Error()
		}
		if err != nil {
			return true, fmt.Errorf("leaving group %s: %w", group, err)
		}
		return true, nil
	}
	return false, nil
}
