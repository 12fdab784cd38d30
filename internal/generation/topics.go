package generation

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthorn/posthorn/schemas"
)

// numbered finds the generation in the name of a topic or a changelog.
var numbered = regexp.MustCompile(`^posthorn\..*\.(\d+)(-[a-z]+-changelog)?$`)

// Existing lists the generations of which there are topics.
func Existing(ctx context.Context, adm *kadm.Client) ([]schemas.Generation, error) {
	topics, err := adm.ListTopics(kadm.WithAuthorizedOps(ctx))
	if err != nil {
		return nil, fmt.Errorf("listing topics: %w", err)
	}
	found := map[schemas.Generation]bool{}
	for _, name := range topics.Names() {
		if name == schemas.TopicEvents {
			found[schemas.FirstGeneration] = true
		}
		if m := numbered.FindStringSubmatch(name); m != nil {
			if n, err := strconv.Atoi(m[1]); err == nil {
				found[schemas.Generation(n)] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found)), nil
}

// Create makes the topics of a generation like those of the live one: as many
// partitions, so that keys meet the same delivery, and as the operator has
// configured them.
func Create(ctx context.Context, adm *kadm.Client, g, live schemas.Generation) error {
	like, made := live.Topics(1, 1), g.Topics(1, 1)
	var names []string
	for _, t := range like {
		names = append(names, t.Name)
	}
	details, err := adm.ListTopics(ctx, names...)
	if err == nil {
		err = details.Error()
	}
	if err != nil {
		return fmt.Errorf("looking up the topics of generation %d: %w", live, err)
	}
	configs, err := adm.DescribeTopicConfigs(ctx, names...)
	if err != nil {
		return fmt.Errorf("describing the topics of generation %d: %w", live, err)
	}
	for i := range made {
		t := &made[i]
		d := details[like[i].Name]
		t.Partitions, t.Replication = int32(len(d.Partitions)), int16(d.Partitions.NumReplicas())
		res, err := configs.On(like[i].Name, nil)
		if err == nil {
			err = res.Err
		}
		if err != nil {
			return fmt.Errorf("describing topic %s: %w", like[i].Name, err)
		}
		t.Config = map[string]string{}
		for _, c := range res.Configs {
			if c.Source == kmsg.ConfigSourceDynamicTopicConfig && c.Value != nil {
				t.Config[c.Key] = *c.Value
			}
		}
	}
	return schemas.EnsureTopics(ctx, adm, made)
}

// dropTimeout bounds the wait for members of a group that were not told to
// leave: a static member stays until its session is over.
const dropTimeout = 30 * time.Second

// Drop deletes the topics and groups of a generation. It must not be live, and
// it is an error if somebody still derives it.
func Drop(ctx context.Context, adm *kadm.Client, g schemas.Generation) error {
	ctx, cancel := context.WithTimeout(ctx, dropTimeout)
	defer cancel()
	groups, err := groupsOf(ctx, adm, g)
	if err != nil {
		return err
	}
	for pause := 100 * time.Millisecond; len(groups) > 0; pause = min(2*pause, 2*time.Second) {
		deleted, err := adm.DeleteGroups(ctx, groups...)
		if err != nil {
			return fmt.Errorf("deleting the groups of generation %d: %w", g, err)
		}
		groups = nil
		var last error
		for _, d := range deleted {
			switch {
			case d.Err == nil, errors.Is(d.Err, kerr.GroupIDNotFound):
			case errors.Is(d.Err, kerr.NonEmptyGroup):
				groups, last = append(groups, d.Group), d.Err
			default:
				return fmt.Errorf("deleting group %s: %w", d.Group, d.Err)
			}
		}
		if len(groups) == 0 {
			break
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("generation %d is in use: group %s has members: %w", g, groups[0], last)
		case <-time.After(pause):
		}
	}
	var names []string
	for _, t := range g.Topics(1, 1) {
		names = append(names, t.Name)
	}
	gone, err := adm.DeleteTopics(ctx, names...)
	if err != nil {
		return fmt.Errorf("deleting the topics of generation %d: %w", g, err)
	}
	for _, d := range gone {
		if d.Err != nil && !errors.Is(d.Err, kerr.UnknownTopicOrPartition) {
			return fmt.Errorf("deleting topic %s: %w", d.Topic, d.Err)
		}
	}
	return nil
}

// groupsOf lists the groups that there are of a generation: its stages', and
// the sink's of its topics.
func groupsOf(ctx context.Context, adm *kadm.Client, g schemas.Generation) ([]string, error) {
	listed, err := adm.ListGroups(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing groups: %w", err)
	}
	stages := map[string]bool{}
	for _, name := range Stages {
		stages[g.Name(name)] = true
	}
	var prefixes []string
	for _, t := range g.Topics(1, 1) {
		if !t.Internal {
			prefixes = append(prefixes, "posthorn-sink."+t.Name+".")
		}
	}
	var groups []string
	for _, group := range listed.Groups() {
		mine := stages[group]
		for _, prefix := range prefixes {
			lane, ok := strings.CutPrefix(group, prefix)
			mine = mine || ok && !strings.Contains(lane, ".")
		}
		if mine {
			groups = append(groups, group)
		}
	}
	return groups, nil
}
